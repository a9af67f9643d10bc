"""State of a rollout's guard in one step: how far it has read the runs that count, their evidence, and the verdict. Pure."""

from collections.abc import Iterable

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardDecision, GuardVerdict, count_safe_runs, evaluate_step
from mainspring.domain.rollouts.guard_settings import GuardSettings
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.rollouts.run_outcome import RunOutcome


class GuardState(msgspec.Struct, frozen=True):
    """The evidence of all runs up to `place`, their place in the order in which they count."""

    place: int = 0
    evidence: Evidence = Evidence()
    decision: GuardDecision = GuardDecision(GuardVerdict.NOT_ENOUGH, ())


def make_guard_settings(rollout: Rollout) -> GuardSettings:
    """Return the settings of a rollout's guard. A step with all keys has one side, and needs no evidence."""
    divided_steps = sum(step < SHARE_UNITS for step in rollout.steps)
    return GuardSettings(steps=max(divided_steps, 1), margin=rollout.margin / SHARE_UNITS, watched=rollout.watched)


def continue_state(state: GuardState, rollout: Rollout, outcomes: Iterable[tuple[int, RunOutcome]]) -> GuardState:
    """Return the state after more runs, each with its place, up to the one that makes the version worse: that verdict is final.

    The verdict follows each run, so it is the same in whatever portions the runs are read. Runs that cannot change it are added together.
    """
    settings = make_guard_settings(rollout)
    left = list(outcomes)
    while left and state.decision.verdict is not GuardVerdict.WORSE:
        number = 1 + count_safe_runs(evaluate_step(state.evidence, settings), rollout.share)
        portion, left = left[:number], left[number:]
        evidence = add_outcomes(state.evidence, [outcome for _, outcome in portion], rollout.share, settings)
        state = GuardState(portion[-1][0], evidence, evaluate_step(evidence, settings))
    return state

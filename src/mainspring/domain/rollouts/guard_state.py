"""State of a rollout's guard in one step: how far it has read the runs that count, their evidence, and the verdict. Pure."""

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardDecision, GuardVerdict, evaluate_step
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
    return GuardSettings(steps=max(divided_steps, 1), margin=rollout.margin / SHARE_UNITS)


def continue_state(state: GuardState, rollout: Rollout, outcomes: list[RunOutcome], place: int) -> GuardState:
    """Return the state after more runs; `place` = the place of the last one."""
    settings = make_guard_settings(rollout)
    evidence = add_outcomes(state.evidence, outcomes, rollout.share, settings)
    return GuardState(place, evidence, evaluate_step(evidence, settings))

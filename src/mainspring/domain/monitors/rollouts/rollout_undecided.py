"""Rollout undecided: the time of a step is over, and too few runs count to say whether the new version is worse."""

import shlex
from collections.abc import Iterator
from datetime import timedelta

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_text import format_share
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning, TuningSpan, to_ms
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.states import RolloutState


class RolloutUndecidedTuning(Tuning, frozen=True, kw_only=True):
    """`grace`: how long after the end of a step its evidence may be missing."""

    grace: TuningSpan = timedelta(minutes=1)


def evaluate(facts: MonitorInputs, tuning: RolloutUndecidedTuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate each rollout that is running and has two sides."""
    automations = {automation.name: automation for automation in facts.automations if automation.retired_at is None}
    for watched in facts.rollouts:
        rollout = watched.rollout
        if rollout.automation not in automations or rollout.share == SHARE_UNITS:
            continue
        over_at = rollout.step_at + rollout.hold_ms
        is_open = rollout.state is RolloutState.RUNNING and watched.verdict is GuardVerdict.NOT_ENOUGH
        is_late = now_at >= over_at + to_ms(tuning.grace)
        name = shlex.quote(rollout.automation)
        yield evaluate_automation(
            automations[rollout.automation],
            IncidentKind.ROLLOUT_UNDECIDED,
            {"step_at": rollout.step_at, "over_at": over_at, "new_runs": watched.new_runs},
            over_at if is_open and is_late else None,
            f"step {rollout.step + 1} of the rollout to version {rollout.new_version} ({format_share(rollout.share)}) is "
            f"over, and {watched.new_runs:,} of its runs are not enough to say whether it is worse",
            hint=f"It continues when enough runs count. Or decide: mainspring rollout finish {name}, or mainspring rollout abort {name}",
            at_most=Severity.NOTIFY,
        )


MONITOR = Monitor(
    kind=IncidentKind.ROLLOUT_UNDECIDED,
    line="The time of a step of a rollout is over, and there is not enough evidence for the next one.",
    rule="Opens 'grace' after the end of the step. Resolves when the rollout moves.",
    tuning=RolloutUndecidedTuning(),
    evaluate=evaluate,
)

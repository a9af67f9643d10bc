"""Rollout rolled back: the guard found the new version worse, and all new runs have the old one."""

import shlex
from collections.abc import Iterator

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.states import RolloutState


def evaluate(facts: MonitorInputs, _tuning: Tuning, _now_at: int) -> Iterator[Evaluation]:
    """Evaluate the last rollout of each automation."""
    automations = {automation.name: automation for automation in facts.automations if automation.retired_at is None}
    for watched in facts.rollouts:
        rollout = watched.rollout
        if rollout.automation not in automations:
            continue
        metrics = {
            "old_version": rollout.old_version,
            "new_version": rollout.new_version,
            "state": rollout.state.value,
            "bad_runs": list(watched.bad_runs),
        }
        runs = f"; first of them: {', '.join(watched.bad_runs)}" if watched.bad_runs else ""
        yield evaluate_automation(
            automations[rollout.automation],
            IncidentKind.ROLLOUT_ROLLED_BACK,
            metrics,
            rollout.ended_at if rollout.state is RolloutState.ROLLED_BACK else None,
            f"rolled back: {rollout.reason}{runs}",
            hint=f"Nothing is urgent: new runs have version {rollout.old_version}. Fix the new one, deploy it, then: "
            f"mainspring rollout start {shlex.quote(rollout.automation)} --to VERSION",
        )


MONITOR = Monitor(
    kind=IncidentKind.ROLLOUT_ROLLED_BACK,
    line="A rollout was rolled back by its guard, because the new version is worse.",
    rule="Opens when the guard rolls back. Resolves when another rollout of the automation starts.",
    tuning=Tuning(),
    evaluate=evaluate,
)

"""The registry of monitors, and one evaluation of all that are on."""

from collections.abc import Iterator, Mapping
from typing import Final

from mainspring.domain.incidents.incident import Finding, IncidentKind, Subject
from mainspring.domain.monitors.flags import flag_expired, flag_stale, flag_unanswered
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.messaging import (
    outbox_blocked,
    rejected_sender,
    source_unreachable,
    undecided_deliveries,
)
from mainspring.domain.monitors.monitor import Evaluation, EvaluationRound, Monitor
from mainspring.domain.monitors.outcomes import brittleness, did_nothing, fail_rate, failed_runs, run_duration, stalled
from mainspring.domain.monitors.rollouts import rollout_rolled_back, rollout_undecided
from mainspring.domain.monitors.system import (
    clock_regression,
    definition_lost,
    process_findings,
    secret_due,
    store_findings,
    worker_lost,
)
from mainspring.domain.monitors.timing import cadence_drift, late_start, silence, too_often
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.monitors.waiting import (
    backlog,
    effect_in_doubt,
    held_work,
    human_wait,
    lock_held,
    paused,
    rejected_message,
)

MONITORS: Final[dict[IncidentKind, Monitor]] = {
    monitor.kind: monitor
    for monitor in (
        silence.MONITOR,
        late_start.MONITOR,
        *failed_runs.MONITORS,
        fail_rate.MONITOR,
        *run_duration.MONITORS,
        did_nothing.MONITOR,
        stalled.MONITOR,
        too_often.MONITOR,
        *backlog.MONITORS,
        human_wait.MONITOR,
        rejected_message.MONITOR,
        worker_lost.MONITOR,
        definition_lost.MONITOR,
        source_unreachable.MONITOR,
        *undecided_deliveries.MONITORS,
        rejected_sender.MONITOR,
        *process_findings.MONITORS,
        outbox_blocked.MONITOR,
        *held_work.MONITORS,
        *store_findings.MONITORS,
        clock_regression.MONITOR,
        secret_due.MONITOR,
        lock_held.MONITOR,
        effect_in_doubt.MONITOR,
        flag_unanswered.MONITOR,
        flag_expired.MONITOR,
        flag_stale.MONITOR,
        rollout_rolled_back.MONITOR,
        rollout_undecided.MONITOR,
        cadence_drift.MONITOR,
        *paused.MONITORS,
        *brittleness.MONITORS,
    )
}
"""In the order in which they are listed."""

TuningTable = Mapping[IncidentKind, Tuning]

DEFAULT_TUNINGS: Final[TuningTable] = {kind: monitor.tuning for kind, monitor in MONITORS.items()}

NO_OVERRIDES: Final = TuningOverrides()


def evaluate_monitor(
    monitor: Monitor, facts: MonitorInputs, tunings: TuningTable, now_at: int, own: TuningOverrides = NO_OVERRIDES
) -> Iterator[Evaluation]:
    """Let a monitor evaluate each automation by its own tuning, all others together by the general one."""
    general = tunings.get(monitor.kind, monitor.tuning)
    groups = own.groups(monitor.kind, general, (automation.name for automation in facts.automations))
    if general.on:
        overridden = set().union(*groups.values())
        yield from (
            evaluation
            for evaluation in monitor.evaluate(facts, general, now_at)
            if evaluation.subject.automation not in overridden
        )
    for tuning, names in groups.items():
        if tuning.on:
            evaluations = monitor.evaluate(facts.of(names), tuning, now_at)
            yield from (evaluation for evaluation in evaluations if evaluation.subject.automation in names)


def evaluate_all(
    facts: MonitorInputs, tunings: TuningTable, now_at: int, own: TuningOverrides = NO_OVERRIDES
) -> EvaluationRound:
    """Let every monitor evaluate if it is on."""
    findings: list[Finding] = []
    unsure: set[Subject] = set()
    evaluated: dict[IncidentKind, int] = {}
    for kind, monitor in MONITORS.items():
        if tunings.get(kind, monitor.tuning).on:
            evaluated[kind] = 0
        for evaluation in evaluate_monitor(monitor, facts, tunings, now_at, own):
            evaluated[kind] = evaluated.get(kind, 0) + 1
            if evaluation.finding is not None:
                findings.append(evaluation.finding)
            elif evaluation.unsure is not None:
                unsure.add(evaluation.subject)
    return EvaluationRound(tuple(findings), frozenset(unsure), evaluated)

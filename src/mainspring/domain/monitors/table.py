"""THE table of monitors, and one round of all that are on."""

from collections.abc import Iterator, Mapping
from typing import Final

from mainspring.domain.incident import Finding, IncidentKind, Subject
from mainspring.domain.monitors import (
    backlog,
    brittle,
    cadence_drift,
    clock_regression,
    definition_lost,
    deliveries,
    did_nothing,
    fail_rate,
    failures,
    held,
    human_wait,
    late_start,
    lock_held,
    outbox,
    pace,
    paused,
    process_findings,
    rejected_message,
    secret_due,
    senders,
    silence,
    source_away,
    stalled,
    store_findings,
    too_often,
    worker_lost,
)
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Judged, Monitor, Round
from mainspring.domain.monitors.own_tunings import OwnTunings
from mainspring.domain.monitors.tuning import Tuning

MONITORS: Final[dict[IncidentKind, Monitor]] = {
    monitor.kind: monitor
    for monitor in (
        silence.MONITOR,
        late_start.MONITOR,
        *failures.MONITORS,
        fail_rate.MONITOR,
        *pace.MONITORS,
        did_nothing.MONITOR,
        stalled.MONITOR,
        too_often.MONITOR,
        *backlog.MONITORS,
        human_wait.MONITOR,
        rejected_message.MONITOR,
        worker_lost.MONITOR,
        definition_lost.MONITOR,
        source_away.MONITOR,
        *deliveries.MONITORS,
        senders.MONITOR,
        *process_findings.MONITORS,
        outbox.MONITOR,
        *held.MONITORS,
        *store_findings.MONITORS,
        clock_regression.MONITOR,
        secret_due.MONITOR,
        lock_held.MONITOR,
        cadence_drift.MONITOR,
        paused.MONITOR,
        *brittle.MONITORS,
    )
}
"""In the order in which they are listed."""

Tunings = Mapping[IncidentKind, Tuning]

DEFAULTS: Final[Tunings] = {kind: monitor.tuning for kind, monitor in MONITORS.items()}

NO_OWN: Final = OwnTunings()


def judged_by(
    monitor: Monitor, facts: Facts, tunings: Tunings, now_at: int, own: OwnTunings = NO_OWN
) -> Iterator[Judged]:
    """Let a monitor judge each automation by the tuning that is its own, all others together by the general one."""
    general = tunings.get(monitor.kind, monitor.tuning)
    groups = own.groups(monitor.kind, general, (one.name for one in facts.automations))
    if general.on:
        apart = set().union(*groups.values())
        yield from (one for one in monitor.judge(facts, general, now_at) if one.subject.automation not in apart)
    for tuning, names in groups.items():
        if tuning.on:
            judged = monitor.judge(facts.of(names), tuning, now_at)
            yield from (one for one in judged if one.subject.automation in names)


def judge_all(facts: Facts, tunings: Tunings, now_at: int, own: OwnTunings = NO_OWN) -> Round:
    """Let every monitor judge where it is on."""
    findings: list[Finding] = []
    unsure: set[Subject] = set()
    judged: dict[IncidentKind, int] = {}
    for kind, monitor in MONITORS.items():
        if tunings.get(kind, monitor.tuning).on:
            judged[kind] = 0
        for one in judged_by(monitor, facts, tunings, now_at, own):
            judged[kind] = judged.get(kind, 0) + 1
            if one.finding is not None:
                findings.append(one.finding)
            elif one.unsure is not None:
                unsure.add(one.subject)
    return Round(tuple(findings), frozenset(unsure), judged)

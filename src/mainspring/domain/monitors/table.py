"""THE table of monitors, and one round of all that are on."""

from collections.abc import Mapping
from typing import Final

from mainspring.domain.incident import Finding, IncidentKind, Subject
from mainspring.domain.monitors import (
    backlog,
    brittle,
    cadence_drift,
    definition_lost,
    did_nothing,
    fail_rate,
    failures,
    human_wait,
    late_start,
    lock_held,
    pace,
    paused,
    secret_due,
    silence,
    source_away,
    stalled,
    too_often,
    worker_lost,
)
from mainspring.domain.monitors.facts import Facts
from mainspring.domain.monitors.judged import Monitor, Round
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
        worker_lost.MONITOR,
        definition_lost.MONITOR,
        source_away.MONITOR,
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


def judge_all(facts: Facts, tunings: Tunings, now_at: int) -> Round:
    """Let every monitor that is on judge."""
    findings: list[Finding] = []
    unsure: set[Subject] = set()
    judged: dict[IncidentKind, int] = {}
    for kind, monitor in MONITORS.items():
        tuning = tunings.get(kind, monitor.tuning)
        if not tuning.on:
            continue
        judged[kind] = 0
        for one in monitor.judge(facts, tuning, now_at):
            judged[kind] += 1
            if one.finding is not None:
                findings.append(one.finding)
            elif one.unsure is not None:
                unsure.add(one.subject)
    return Round(tuple(findings), frozenset(unsure), judged)

"""What there is to judge by at an instant, incidents and untold failures too: the same for a watcher and for people who ask.

Reads alone; nothing is written.
"""

import msgspec

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.failure_groups import FailureGroups, Redact, group_failures
from mainspring.domain.incidents.incident import Incident, IncidentKind, Subject
from mainspring.domain.incidents.recent_changes import CHANGE_WINDOW_MS, describe_changes
from mainspring.domain.monitors.inputs import MonitorInputs, OpenFailure, RecentCounts, Reopening, WatchedAutomation
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.outcomes.failed_runs import FAILURE_KINDS, assign_subjects
from mainspring.domain.monitors.registry import NO_OVERRIDES, TuningTable
from mainspring.domain.monitors.tuning import to_ms
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.notifications.early_warnings import EarlyWarning, RunTotals, find_early_warnings
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.store.base import StoreReader
from mainspring.store.read import incidents as reads
from mainspring.store.read.automations.recent_changes import changes_since, oldest_run
from mainspring.store.read.status.status import sums_since

_TOLD_AT_MOST, _FOLDED_AT_MOST = 100_000, 10_000
"""All that is told is looked after, whatever else is wrong; of what is part of it so many at once."""
_REOPENED_WITHIN_MS = 14 * 24 * 3_600_000


class MonitorSnapshot(msgspec.Struct, frozen=True):
    """`wrong` = the incidents that are not resolved."""

    facts: MonitorInputs
    failures: FailureGroups
    wrong: list[Incident]


def read_monitor_inputs(
    facts_reader: FactsReader,
    reader: StoreReader,
    now: int,
    *,
    tunings: TuningTable,
    redact: Redact,
    own: TuningOverrides = NO_OVERRIDES,
) -> MonitorSnapshot:
    """Return what there is to judge by at the instant `now` (ms)."""
    wrong = [*reads.open_incidents(reader, _TOLD_AT_MOST), *reads.grouped_incidents(reader, _FOLDED_AT_MOST)]
    known = frozenset(one.subject for one in wrong)
    failures = group_failures(reads.ungrouped_failures(reader), redact, known)
    found = tunings.get(IncidentKind.FAIL_RATE)
    fail_rate = found if isinstance(found, FailRateTuning) else FailRateTuning()
    facts = facts_reader.read(
        now,
        window=fail_rate.window,
        faults=failures.faults,
        failing=_read_open_failures(reader, wrong),
        reopenings=[
            Reopening(one.automation, one.kind, one.fingerprint, at)
            for one, at in reads.reopenings(reader, now - _REOPENED_WITHIN_MS)
        ],
        open=known,
    )
    automations = _count_own_windows(reader, facts.automations, fail_rate, own, now)
    changed = _read_changes(reader, facts, failures, wrong)
    return MonitorSnapshot(msgspec.structs.replace(facts, automations=automations, changed=changed), failures, wrong)


def _read_open_failures(reader: StoreReader, wrong: list[Incident]) -> list[OpenFailure]:
    """Return the incidents of failed runs that are not resolved, each with what became of its members."""
    incidents = [one for one in wrong if one.subject.kind in FAILURE_KINDS]
    members = reads.members(reader, [one.id for one in incidents]) if incidents else {}
    return [
        OpenFailure(incident=one, failed=m.failed, open=m.open, fixed=m.fixed, newest=m.newest)
        if (m := members.get(one.id)) is not None
        else OpenFailure(incident=one)
        for one in incidents
    ]


def _count_own_windows(
    reader: StoreReader,
    automations: tuple[WatchedAutomation, ...],
    general: FailRateTuning,
    own: TuningOverrides,
    now: int,
) -> tuple[WatchedAutomation, ...]:
    """Count the ends of an automation in the window of its own fail rate; one statement for each window that is another one."""
    of: dict[str, RecentCounts] = {}
    for tuning, names in own.groups(IncidentKind.FAIL_RATE, general, (one.name for one in automations)).items():
        if isinstance(tuning, FailRateTuning) and tuning.window != general.window:
            sums = {
                one.automation: one for one in sums_since(reader, now - to_ms(tuning.window)) if one.automation in names
            }
            of |= {name: RecentCounts() for name in names}
            of |= {name: RecentCounts(one.succeeded, one.failed) for name, one in sums.items()}
    if not of:
        return automations
    return tuple(
        one
        if one.name not in of
        else msgspec.structs.replace(one, recent=msgspec.structs.replace(of[one.name], started=one.recent.started))
        for one in automations
    )


def _read_changes(
    reader: StoreReader, facts: MonitorInputs, failures: FailureGroups, wrong: list[Incident]
) -> dict[Subject, str]:
    """Return what changed just before the first failure of each cause; of what is open it is known already."""
    first: dict[Subject, int] = {}
    faults = sorted(failures.faults, key=lambda fault: (fault.at, fault.run))
    for fault, subject in zip(faults, assign_subjects(faults, facts.open), strict=True):
        if subject is not None:
            first.setdefault(subject, fault.at)
    found = {one.subject: str(one.facts.get("changed") or "") for one in wrong if one.subject in first}
    new = {subject: at for subject, at in first.items() if subject not in found}
    if new:
        changes = changes_since(reader, min(new.values()) - CHANGE_WINDOW_MS)
        known = {one.name: one for one in facts.automations}
        for subject, at in new.items():
            one = known.get(subject.automation, WatchedAutomation(name=subject.automation))
            began_at = oldest_run(reader, one.name)
            found[subject] = describe_changes(changes, at, one.name, one.option("queue"), one.deploy, began_at)
    return {subject: text for subject, text in found.items() if text}


def find_early_signs(
    facts: MonitorInputs, reader: StoreReader, now: int, routing: NotificationRouting
) -> tuple[EarlyWarning, ...]:
    """Return the early signs of the day, or week, that ends at `now` (ms)."""
    sums = sums_since(reader, now - routing.looks_back_ms(now))
    ended = {one.automation: RunTotals(one.step_errors, one.succeeded, one.failed + one.attention) for one in sums}
    return find_early_warnings(facts, ended, now)

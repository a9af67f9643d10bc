"""The inputs of monitors at an instant, with incidents and ungrouped failures: the same for a watcher and for a person's request.

Reads only; writes nothing.
"""

from collections.abc import Iterable
from threading import Lock

import msgspec

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.failure_groups import FailureGroups, Redact, group_failures
from mainspring.domain.incidents.incident import Incident, IncidentKind, Subject
from mainspring.domain.incidents.recent_changes import CHANGE_WINDOW_MS, describe_changes
from mainspring.domain.monitors.inputs import (
    DueSecret,
    MonitorInputs,
    OpenFailure,
    RecentCounts,
    Reopening,
    WatchedAutomation,
)
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.outcomes.failed_runs import FAILURE_KINDS, assign_subjects
from mainspring.domain.monitors.registry import NO_OVERRIDES, TuningTable
from mainspring.domain.monitors.tuning import to_ms
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.notifications.early_warnings import EarlyWarning, RunTotals, find_early_warnings
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import StoreReader
from mainspring.store.read import incidents
from mainspring.store.read.automations.recent_changes import changes_since, oldest_run
from mainspring.store.read.status.status import sums_since

_OPEN_AT_MOST, _GROUPED_AT_MOST = 100_000, 10_000
"""All reported incidents are read, whatever else is open; of grouped ones up to the second number at once."""
_REOPENED_WITHIN_MS = 14 * 24 * 3_600_000

_AT_ONCE = 2_000
"""Most automations whose history one evaluation reads; the others stay unsure until a later one."""
_FRESH_MS = 1_000
"""A request that follows sooner gets the same snapshot."""


class MonitorSnapshot(msgspec.Struct, frozen=True):
    """The inputs of one evaluation. `unresolved` = the incidents that are not resolved."""

    facts: MonitorInputs
    failures: FailureGroups
    unresolved: list[Incident]


def read_monitor_inputs(
    facts_reader: FactsReader,
    reader: StoreReader,
    now: int,
    *,
    tunings: TuningTable,
    redact: Redact,
    own: TuningOverrides = NO_OVERRIDES,
) -> MonitorSnapshot:
    """Return the inputs of all monitors at the instant `now` (ms)."""
    open_incidents = [
        *incidents.open_incidents(reader, _OPEN_AT_MOST),
        *incidents.grouped_incidents(reader, _GROUPED_AT_MOST),
    ]
    known = frozenset(incident.subject for incident in open_incidents)
    failures = group_failures(incidents.ungrouped_failures(reader), redact, known)
    tuning = tunings.get(IncidentKind.FAIL_RATE)
    fail_rate = tuning if isinstance(tuning, FailRateTuning) else FailRateTuning()
    facts = facts_reader.read(
        now,
        window=fail_rate.window,
        faults=failures.faults,
        failing=_read_open_failures(reader, open_incidents),
        reopenings=[
            Reopening(reopening.automation, reopening.kind, reopening.fingerprint, at)
            for reopening, at in incidents.reopenings(reader, now - _REOPENED_WITHIN_MS)
        ],
        open=known,
    )
    automations = _count_own_windows(reader, facts.automations, fail_rate, own, now)
    changed = _read_changes(reader, facts, failures, open_incidents)
    return MonitorSnapshot(
        msgspec.structs.replace(facts, automations=automations, changed=changed), failures, open_incidents
    )


def _read_open_failures(reader: StoreReader, open_incidents: list[Incident]) -> list[OpenFailure]:
    """Return the unresolved incidents of failed runs, each with the state of its runs."""
    failure_incidents = [incident for incident in open_incidents if incident.subject.kind in FAILURE_KINDS]
    members = incidents.members(reader, [incident.id for incident in failure_incidents]) if failure_incidents else {}
    return [
        OpenFailure(incident=incident, failed=counts.failed, open=counts.open, fixed=counts.fixed, newest=counts.newest)
        if (counts := members.get(incident.id)) is not None
        else OpenFailure(incident=incident)
        for incident in failure_incidents
    ]


def _count_own_windows(
    reader: StoreReader,
    automations: tuple[WatchedAutomation, ...],
    general: FailRateTuning,
    own: TuningOverrides,
    now: int,
) -> tuple[WatchedAutomation, ...]:
    """Count the ends of an automation in the window of its own fail rate, with one statement for each other window."""
    recent_counts: dict[str, RecentCounts] = {}
    for tuning, names in own.groups(
        IncidentKind.FAIL_RATE, general, (automation.name for automation in automations)
    ).items():
        if isinstance(tuning, FailRateTuning) and tuning.window != general.window:
            sums = {
                counts.automation: counts
                for counts in sums_since(reader, now - to_ms(tuning.window))
                if counts.automation in names
            }
            recent_counts |= {name: RecentCounts() for name in names}
            recent_counts |= {name: RecentCounts(counts.succeeded, counts.failed) for name, counts in sums.items()}
    if not recent_counts:
        return automations
    return tuple(
        automation
        if automation.name not in recent_counts
        else msgspec.structs.replace(
            automation,
            recent=msgspec.structs.replace(recent_counts[automation.name], started=automation.recent.started),
        )
        for automation in automations
    )


def _read_changes(
    reader: StoreReader, facts: MonitorInputs, failures: FailureGroups, open_incidents: list[Incident]
) -> dict[Subject, str]:
    """Return what changed just before the first failure of each cause; an open incident has its text already."""
    first_at: dict[Subject, int] = {}
    faults = sorted(failures.faults, key=lambda fault: (fault.at, fault.run))
    for fault, subject in zip(faults, assign_subjects(faults, facts.open), strict=True):
        if subject is not None:
            first_at.setdefault(subject, fault.at)
    found = {
        incident.subject: str(incident.facts.get("changed") or "")
        for incident in open_incidents
        if incident.subject in first_at
    }
    new = {subject: at for subject, at in first_at.items() if subject not in found}
    if new:
        changes = changes_since(reader, min(new.values()) - CHANGE_WINDOW_MS)
        known = {automation.name: automation for automation in facts.automations}
        for subject, at in new.items():
            automation = known.get(subject.automation, WatchedAutomation(name=subject.automation))
            oldest_run_at = oldest_run(reader, automation.name)
            found[subject] = describe_changes(
                changes, at, automation.name, automation.option("queue"), automation.deploy, oldest_run_at
            )
    return {subject: text for subject, text in found.items() if text}


def find_early_signs(
    facts: MonitorInputs, reader: StoreReader, now: int, routing: NotificationRouting
) -> tuple[EarlyWarning, ...]:
    """Return the early warnings of the day, or week, that ends at `now` (ms)."""
    sums = sums_since(reader, now - routing.digest_window_ms(now))
    ended = {
        counts.automation: RunTotals(counts.step_errors, counts.succeeded, counts.failed + counts.attention)
        for counts in sums
    }
    return find_early_warnings(facts, ended, now)


class CachedMonitorInputs:
    """The inputs of one store, for a process that evaluates on request; for any thread, one at a time.

    It reads history once, as a watcher does. Cached history equals what a new read would return.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._facts: tuple[StoreReader, FactsReader] | None = None
        self._snapshot: tuple[int, MonitorSnapshot] | None = None

    def read(
        self, reader: StoreReader, now: int, *, tunings: TuningTable, own: TuningOverrides, secrets: Iterable[DueSecret]
    ) -> MonitorSnapshot:
        """Return the inputs at the instant `now` (ms); `secrets` = the secrets that are due by the configuration."""
        with self._lock:
            if self._facts is None or self._facts[0] is not reader:
                self._facts = (reader, FactsReader(reader, at_once=_AT_ONCE, secrets=secrets))
                self._snapshot = None
            if self._snapshot is None or not 0 <= now - self._snapshot[0] < _FRESH_MS:
                snapshot = read_monitor_inputs(
                    self._facts[1], reader, now, tunings=tunings, redact=KNOWN_SECRETS.redact, own=own
                )
                self._snapshot = (now, snapshot)
            return self._snapshot[1]

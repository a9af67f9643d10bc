"""Reads of incidents: ungrouped failures, groups of errors, incidents with their moves and alerts."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.failures.backoff import MAX_CHANNEL_BACKOFF_MS
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_members import HealthRule, Settlement
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.states import AlertState, FailureReason, IncidentMove, IncidentState, RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.transaction import Row

MOST = 1_000
"""How many failures are grouped in one evaluation."""


class UngroupedFailure(msgspec.Struct, frozen=True):
    """The end of a run that is not reported yet; `failure` None = only the reason is known.

    `settled` = what settled it as a member of its incident; None = it is open.
    """

    seq: int
    run: str
    automation: str
    state: RunState
    reason: FailureReason | None
    ident: str | None
    failure: Failure | None
    at: int
    healthy: HealthRule = HealthRule.ITEM
    settled: Settlement | None = None


class LastFailure(UngroupedFailure, frozen=True, kw_only=True):
    """The last failure of a run; `fingerprint` None = no watcher has grouped it, else `failure` is not stored here.

    `settled_by` = the run or person that settled it, as far as that is on record.
    """

    fingerprint: str | None
    settled_at: int | None = None
    settled_by: str | None = None


class MembersView(msgspec.Struct, frozen=True):
    """The members of one opening of an incident: its failed runs, how many of them are open and how many fixed;
    `newest` = an open one.
    """

    failed: int
    open: int
    fixed: int
    newest: str | None


class ErrorView(msgspec.Struct, frozen=True):
    """Failures of one cause: their newest text, since when, how many, an example."""

    automation: str
    fingerprint: str
    type: str
    code: str
    place: str
    message: str
    first_at: int
    last_at: int
    number: int
    first_run: str
    last_run: str


class MemberView(msgspec.Struct, frozen=True):
    """A failed run that belongs to an incident. `item` = what it processes ("" = its automation as a whole, its own id
    = nothing else).

    `settled` = what settled it, and by which run or person; None = it is open.
    """

    run: str
    item: str
    at: int
    settled_at: int | None
    settled: Settlement | None
    by: str | None

    @property
    def own_item(self) -> str:
        """The item; "" if the run processes nothing but itself or its automation."""
        return "" if self.item == self.run else self.item


class RunItem(msgspec.Struct, frozen=True):
    """The item of a failed run of an incident: its title, as stored, and its item ("" = nothing but itself, or its
    automation).
    """

    title: str | None
    item: str
    is_open: bool


class MoveView(msgspec.Struct, frozen=True):
    """A move of an incident; `by` None = by a watcher."""

    incident: str
    move: IncidentMove
    at: int
    by: str | None
    note: str | None


class AlertView(msgspec.Struct, frozen=True):
    """An alert for one channel."""

    seq: int
    incident: str
    about: NotificationEvent
    channel: str
    state: AlertState
    made_at: int
    due_at: int
    ended_at: int | None
    fault: str | None
    automation: str
    text: str
    """The automation of its incident, and the incident's current text."""


class ChannelView(msgspec.Struct, frozen=True):
    """A channel with alerts sent or failed: since when and why, and when it is tried again.

    `oldest_at` = when the first of its pending alerts was due; an alert that waits for its own time is due later than
    now.
    """

    name: str
    failures: int
    since_at: int | None
    fault: str | None
    due_at: int
    accepted_at: int | None
    oldest_at: int | None


class UnsentAlerts(msgspec.Struct, frozen=True):
    """How many alerts are pending for a channel, and when the first of them is due; None = none is pending."""

    channel: str
    number: int
    due_at: int | None


def ungrouped_failures(reader: StoreReader, limit: int = MOST) -> list[UngroupedFailure]:
    """Return failures that no watcher has grouped, oldest first."""
    rows = reader.read("list_ungrouped_failures", (limit,))
    return [
        UngroupedFailure(*(*_fault(tuple(row)), HealthRule(rule), _settlement(settled))) for *row, rule, settled in rows
    ]


def last_failures(reader: StoreReader, runs: Sequence[str]) -> list[LastFailure]:
    """Return the last failure of each of these runs; without those that are not reported, such as a child's, which its
    parent reports.
    """
    rows = reader.read("list_last_failures", (msgspec.json.encode(runs).decode(),))
    return [
        LastFailure(
            *[*_fault(tuple(columns)), HealthRule.ITEM, _settlement(settlement)],
            fingerprint=fingerprint,
            settled_at=at,
            settled_by=by,
        )
        for *columns, fingerprint, settlement, at, by in rows
    ]


def members(reader: StoreReader, incidents: Iterable[str]) -> dict[str, MembersView]:
    """Return the members of these incidents, by id; an incident without members is omitted."""
    rows = reader.read("list_members_of_incidents", (msgspec.json.encode(list(incidents)).decode(),))
    return {id: MembersView(*rest) for id, *rest in rows}


def members_of(reader: StoreReader, incident: str, limit: int = 50) -> list[MemberView]:
    """Return the members of an incident's current opening, the open ones first, then the newest."""
    rows = reader.read("list_members", (incident, limit))
    return [
        MemberView(run, item, at, settled_at, _settlement(settlement), by)
        for run, item, at, settled_at, settlement, by in rows
    ]


def run_items(reader: StoreReader, incident: str, limit: int) -> list[RunItem]:
    """Return the items of the members of an incident's current opening, in the order of `members_of`."""
    rows = reader.read("list_items_of_incident", (incident, limit))
    return [RunItem(title, "" if item == run else item, settled_at is None) for run, item, title, settled_at in rows]


def items_of(reader: StoreReader, runs: Iterable[str]) -> dict[str, str]:
    """Return the item of each of these failed runs; a run that processes nothing but itself, or its automation, is
    omitted.
    """
    rows = reader.read("list_items_of_runs", (msgspec.json.encode(list(runs)).decode(),))
    return {run: item for run, item in rows if item not in ("", run)}


def _settlement(settlement: str | None) -> Settlement | None:
    return None if settlement is None else Settlement(settlement)


def _fault(row: Row) -> Row:
    seq, run, automation, state, reason, ident, failure, at = row
    known_reason = None if reason is None else FailureReason(reason)
    known = msgspec.json.decode(failure, type=Failure) if failure else None
    return (seq, run, automation, RunState(state), known_reason, ident, known, at)


def incidents(
    reader: StoreReader,
    *,
    automation: str | None = None,
    unresolved: bool = True,
    since_at: int | None = None,
    apart: bool = False,
    limit: int = 100,
) -> list[Incident]:
    """Return incidents, the newest change first: those that are not resolved, or all that changed since an instant.

    `apart` = without those that are, or were at their end, part of another one.
    """
    rows = reader.read("list_incidents", (automation, int(unresolved), since_at or 0, limit, int(apart)))
    return [incident_of(row) for row in rows]


def open_incidents(reader: StoreReader, limit: int) -> list[Incident]:
    """Return the unresolved incidents with their own notifications: open ones first, then by severity, then the oldest."""
    return [incident_of(row) for row in reader.read("list_open_incidents", (0, limit))]


def grouped_incidents(reader: StoreReader, limit: int) -> list[Incident]:
    """Return the unresolved incidents that are part of another one, in the order of `open_incidents`."""
    return [incident_of(row) for row in reader.read("list_open_incidents", (1, limit))]


def count_grouped_incidents(reader: StoreReader) -> dict[str, int]:
    """Return for each incident, by its id, how many unresolved ones are part of it."""
    return dict(reader.read("count_grouped_incidents"))


def incident(reader: StoreReader, id: str) -> Incident | None:
    """Return one incident."""
    rows = reader.read("read_incident", (id,))
    return next(map(incident_of, rows), None)


def incident_of_run(reader: StoreReader, run: str) -> tuple[str, IncidentState] | None:
    """Return id and state of the incident that a run's newest failure is part of; None = it is not reported yet."""
    rows = reader.read("find_incident_of_run", (run,))
    return next(((incident, IncidentState(state)) for incident, state in rows), None)


def moves(reader: StoreReader, incident: str, limit: int = 100) -> list[MoveView]:
    """Return the newest moves of an incident, oldest first."""
    rows = reader.read("list_incident_moves", (incident, limit))
    return [MoveView(name, IncidentMove(move), *rest) for name, move, *rest in reversed(rows)]


def alerts(
    reader: StoreReader,
    incident: str | None = None,
    *,
    channel: str | None = None,
    state: AlertState | None = None,
    since_at: int | None = None,
    limit: int = 100,
    cursor: int | None = None,
) -> list[AlertView]:
    """Return alerts of one incident or of all, newest first; `cursor` = the seq where the last page ended."""
    before = NEWEST if cursor is None else cursor
    params = (incident, channel, None if state is None else state.value, since_at or 0, limit, before)
    rows = reader.read("list_alerts", params)
    return [
        AlertView(seq, name, NotificationEvent(about), channel, AlertState(state), *rest)
        for seq, name, about, channel, state, *rest in rows
    ]


def is_alert_due(reader: StoreReader, now: int) -> bool:
    """Tell whether a Notifier may find a due alert now."""
    return bool(reader.read("find_due_alert", (now, now + MAX_CLOCK_LEAD_MS, now + MAX_CHANNEL_BACKOFF_MS)))


def channels(reader: StoreReader) -> list[ChannelView]:
    """Return the channels that a Notifier ever leased, by name."""
    return [ChannelView(*row) for row in reader.read("list_channels")]


def count_open_incidents(reader: StoreReader) -> dict[tuple[str, str], int]:
    """Return how many incidents are unresolved, by severity and kind."""
    return {(severity, kind): number for severity, kind, number in reader.read("count_open_incidents")}


def unsent_alerts(reader: StoreReader) -> list[UnsentAlerts]:
    """Return the pending alerts of each channel that a Notifier ever leased or that has some, by name."""
    waiting = {row.channel: row for row in (UnsentAlerts(*values) for values in reader.read("count_unsent_alerts"))}
    idle = {channel.name: UnsentAlerts(channel.name, 0, None) for channel in channels(reader)}
    return [unsent for _, unsent in sorted((idle | waiting).items())]


def reopenings(reader: StoreReader, since_at: int) -> list[tuple[Subject, int]]:
    """Return which incidents were reopened since an instant, and when."""
    rows = reader.read("list_reopenings", (since_at,))
    return [(Subject(automation, IncidentKind(kind), fingerprint), at) for automation, kind, fingerprint, at in rows]


def errors(
    reader: StoreReader,
    automation: str | None = None,
    *,
    error: str | None = None,
    since_at: int | None = None,
    state: RunState | None = None,
    limit: int = 100,
) -> list[ErrorView]:
    """Return groups of failures, newest first: whose fingerprint begins with `error`, with a failure since an instant
    or in a state.
    """
    params = (automation, error, since_at or 0, None if state is None else state.value, limit)
    return [ErrorView(*row) for row in reader.read("list_error_groups", params)]


def incident_of(row: Row) -> Incident:
    """Return an incident from the columns of `read_incident`."""
    (id, automation, kind, fingerprint, state, severity, text, hint, facts, *rest) = row
    since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until, opened, number, by, note, parent = rest
    return Incident(
        id=id,
        subject=Subject(automation, IncidentKind(kind), fingerprint),
        state=IncidentState(state),
        severity=Severity(severity),
        text=text,
        hint=hint,
        facts=msgspec.json.decode(facts),
        since_at=since_at,
        opened_at=opened_at,
        changed_at=changed_at,
        seen_at=seen_at,
        resolved_at=resolved_at,
        snoozed_until=snoozed_until,
        opened=opened,
        number=number,
        by=by,
        note=note,
        parent=parent,
    )

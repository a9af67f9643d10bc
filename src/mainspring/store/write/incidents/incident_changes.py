"""Changes of incidents: one row per problem, its history and its alerts, all in the commit of the evaluation that found
it.

An evaluation may be recorded twice, or by two watchers at once: rows of `failures` count for the first, an alert has a
unique key, and an incident that was resolved after the start of an evaluation is not reopened by it. A future instant
was written by a clock that was ahead: it blocks nothing.
"""

import json

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.incidents.incident import DECISION_FACT, MEMBERS_FACT, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_correlation import REDUNDANT_KINDS
from mainspring.domain.incidents.incident_members import SettledCount, describe_decisions, describe_members
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import INCIDENT_MOVES, AlertState, IncidentMove, IncidentState
from mainspring.store.commands.incidents import (
    DECIDED_CLOCK_STEP,
    AcknowledgeIncident,
    Digest,
    ErrorGroup,
    EvaluatedFinding,
    IncidentReminder,
    RecordEvaluation,
    ResolveIncident,
    SnoozeIncident,
)
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.transaction import Transaction

_SEEN_EVERY_MS = 60_000
"""How often an incident is recorded as seen again, if nothing else of it changed."""
_EARLY_MS = 10 * 60_000
"""How long before the report of a lost process its consequences may have been reported."""

_MOVE, _STATE = IncidentMove, IncidentState


class _Row(msgspec.Struct):
    """The columns of an incident on which an evaluation depends."""

    id: str
    state: str
    severity: str
    text: str
    hint: str | None
    facts: bytes
    seen_at: int
    resolved_at: int | None
    snoozed_until: int | None
    opened: int
    number: int
    parent: str | None
    opened_at: int
    kind: str

    def may(self, move: IncidentMove) -> bool:
        return self.state in INCIDENT_MOVES[move][0]


def record_evaluation(tx: Transaction, command: RecordEvaluation) -> NumberAnswer:
    """Record one evaluation."""
    tx.hold("incidents")
    if command.is_back:
        tx.change("pull_back_incidents", (tx.now, tx.now + MAX_CLOCK_LEAD_MS))
    fresh: set[int] = set()
    for group in command.groups:
        fresh |= _group_failures(tx, group)
    changes = sum(_record_finding(tx, finding, fresh, command.started_at) for finding in command.found)
    changes += sum(_resolve_if_healthy(tx, subject, command.started_at) for subject in command.healthy)
    changes += sum(_record_reminder(tx, reminder) for reminder in command.reminders)
    changes += sum(_record_digest(tx, digest) for digest in command.digests)
    return NumberAnswer(changes)


def _group_failures(tx: Transaction, group: ErrorGroup) -> set[int]:
    """Add failures to their group; return those that no other watcher had added before."""
    seqs = json.dumps([failure.seq for failure in group.added])
    fresh = set(tx.values("set_failure_fingerprints", (group.fingerprint, seqs), int))
    added = sorted((failure for failure in group.added if failure.seq in fresh), key=lambda failure: failure.seq)
    if added:
        g, first, last = group, added[0], added[-1]
        description = (g.automation, g.fingerprint, g.type, g.code, g.place, g.message)
        tx.change("add_to_error_group", (*description, first.at, last.at, len(added), first.run, last.run))
    return fresh


def _record_finding(tx: Transaction, found: EvaluatedFinding, fresh: set[int], started_at: int) -> bool:
    finding = found.finding
    own_faults = fresh.intersection(found.faults)
    number = len(own_faults) if found.faults else finding.number
    if not number:
        return False
    row = _find_incident(tx, finding.subject)
    cause = None if found.parent is None else _find_incident(tx, found.parent)
    parent = _find_parent(row, cause, finding.subject.kind)
    if row is None:
        _open(tx, found, number, parent)
        _attach(tx, found.id, 1, own_faults)
        return True
    if row.may(_MOVE.REOPEN):
        if not found.faults and row.resolved_at is not None and _is_later(tx, row.resolved_at, started_at):
            return False
        _reopen(tx, row, found, number, parent)
        _attach(tx, row.id, row.opened + 1, own_faults)
        return True
    _attach(tx, row.id, row.opened, own_faults)
    if row.parent is None and (cause is None or not _is_early_sign(row, found.parent, cause)):
        parent = None
    return _refresh(tx, row, found, number if found.faults else 0, parent)


def _attach(tx: Transaction, incident: str, opened: int, seqs: set[int]) -> None:
    """Make failures members of this opening of an incident."""
    if seqs:
        tx.change("attach_members", (incident, opened, json.dumps(sorted(seqs))))


def _find_parent(row: _Row | None, cause: _Row | None, kind: IncidentKind) -> str | None:
    """Return the incident under which a finding is grouped. An incident that a person has handled since the evaluation
    accepts no new parts.
    """
    if cause is None or cause.state == _STATE.RESOLVED:
        return None
    is_part = row is not None and row.state != _STATE.RESOLVED and row.parent is not None
    return cause.id if is_part or cause.state == _STATE.OPEN or kind in REDUNDANT_KINDS else None


def _is_early_sign(row: _Row, cause_subject: Subject | None, cause_row: _Row) -> bool:
    """Tell whether an incident that was reported alone becomes part of its cause: lateness is noticed earlier than the
    lost worker behind it.
    """
    is_death = cause_subject is not None and cause_subject.kind is IncidentKind.WORKER_LOST
    return is_death and cause_row.opened_at - row.opened_at < _EARLY_MS


def _open(tx: Transaction, found: EvaluatedFinding, number: int, parent: str | None) -> None:
    finding, subject = found.finding, found.finding.subject
    values = (
        *(
            found.id,
            subject.automation,
            subject.kind.value,
            subject.fingerprint,
            _STATE.OPEN.value,
            finding.severity.value,
            finding.text,
            finding.hint_for(found.id),
        ),
        *(msgspec.json.encode(finding.facts), finding.since_at, tx.now, number, parent),
    )
    tx.change("insert_incident", values)
    _record_move(tx, found.id, _MOVE.OPEN, None, None)
    if parent is None:
        _insert_alerts(tx, found.id, 1, NotificationEvent.OPENED, finding.severity, found.to)


def _reopen(tx: Transaction, row: _Row, found: EvaluatedFinding, number: int, parent: str | None) -> None:
    finding = found.finding
    facts = msgspec.json.encode(finding.facts)
    values = (
        finding.severity.value,
        finding.text,
        finding.hint_for(row.id),
        facts,
        finding.since_at,
        tx.now,
        number,
        parent,
        row.id,
    )
    tx.change("reopen_incident", values)
    _record_move(tx, row.id, _MOVE.REOPEN, None, None)
    if parent is None:
        _insert_alerts(tx, row.id, row.opened + 1, NotificationEvent.REOPENED, finding.severity, found.to)


def _refresh(tx: Transaction, row: _Row, found: EvaluatedFinding, more: int, parent: str | None) -> bool:
    """Update an open incident; notify if it is no longer grouped, or its severity rose.

    An incident that was reported alone and becomes part of another one sends no further notification.
    """
    finding = found.finding
    severity = min(Severity(row.severity), finding.severity, key=lambda severity: severity.rank)
    facts, hint = msgspec.json.encode(finding.facts), finding.hint_for(row.id)
    is_new = more or (severity.value, finding.text, hint, facts, parent) != (
        row.severity,
        row.text,
        row.hint,
        row.facts,
        row.parent,
    )
    if is_new or row.seen_at + _SEEN_EVERY_MS <= tx.now:
        tx.change("refresh_incident", (severity.value, finding.text, hint, facts, tx.now, more, parent, row.id))
    if parent is None and row.parent is not None:
        about = NotificationEvent.OPENED if row.opened == 1 else NotificationEvent.REOPENED
        _insert_alerts(tx, row.id, row.opened, about, severity, found.to)
    elif severity.value != row.severity and parent is None and row.state == _STATE.OPEN:
        _insert_alerts(tx, row.id, row.opened, NotificationEvent.REPEATED, severity, found.to, severity.value)
    return bool(is_new)


def _resolve_if_healthy(tx: Transaction, subject: Subject, started_at: int) -> bool:
    row = _find_incident(tx, subject)
    if row is None or not row.may(_MOVE.RESOLVE) or _is_later(tx, row.seen_at, started_at):
        return False
    if tx.first("find_open_member", (row.id,)) is not None:
        return False
    _resolve(tx, row, None, None)
    return True


def _is_later(tx: Transaction, at: int, started_at: int) -> bool:
    """Tell whether something was written after the start of an evaluation."""
    return started_at < at <= tx.now + MAX_CLOCK_LEAD_MS


def _resolve(tx: Transaction, row: _Row, by: str | None, note: str | None) -> None:
    tx.change("settle_members_of_incident", (row.id, tx.now, by))
    tx.change("resolve_incident", (tx.now, by, note, row.id, _facts_at_end(tx, row)))
    _record_move(tx, row.id, _MOVE.RESOLVE, by, note)
    _notify_informed_channels(tx, row, NotificationEvent.RESOLVED)


def _facts_at_end(tx: Transaction, row: _Row) -> bytes:
    """Return the facts of a resolved incident, with the outcome of its failed runs if there are several, or one is not
    fixed.
    """
    facts = msgspec.json.decode(row.facts)
    decided = describe_decisions([SettledCount(*group) for group in tx.all("list_settlements", (row.id,))])
    facts |= {} if decided is None else {DECISION_FACT: decided}
    found = tx.first("list_members_of_incidents", (json.dumps([row.id]),)) if MEMBERS_FACT in facts else None
    if found is None:
        return row.facts if decided is None else msgspec.json.encode(facts)
    _, failed, still_open, fixed, _ = found
    text = describe_members(failed, still_open, fixed, halted=row.kind == IncidentKind.NEEDS_ATTENTION)
    return msgspec.json.encode(facts | {MEMBERS_FACT: text})


def _record_reminder(tx: Transaction, reminder: IncidentReminder) -> bool:
    found = tx.first("find_incident", (reminder.incident,))
    row = None if found is None else _Row(*found)
    if row is None or row.opened != reminder.opened:
        return False
    is_over = row.may(_MOVE.WAKE) and row.snoozed_until is not None and row.snoozed_until <= tx.now
    if is_over:
        _wake(tx, row)
    elif row.state != _STATE.OPEN and not (reminder.wakes and row.state == _STATE.ACKNOWLEDGED):
        return False
    r = reminder
    is_new = _insert_alerts(tx, row.id, row.opened, r.about, Severity(row.severity), r.to, str(r.number))
    if is_new and not is_over and row.state == _STATE.ACKNOWLEDGED:
        _wake(tx, row)
    return is_new


def _wake(tx: Transaction, row: _Row) -> None:
    tx.change("wake_incident", (tx.now, row.id))
    _record_move(tx, row.id, _MOVE.WAKE, None, None)


def _record_digest(tx: Transaction, digest: Digest) -> bool:
    key = f"digest:{digest.at}:{digest.to.channel}"
    values = (
        key,
        "",
        0,
        NotificationEvent.DIGEST.value,
        digest.to.channel,
        Severity.DIGEST.value,
        AlertState.UNSENT.value,
    )
    return bool(tx.change("insert_alert", (*values, tx.now, digest.to.due_at)))


def acknowledge_incident(tx: Transaction, command: AcknowledgeIncident) -> CommandDone | Refused:
    """Acknowledge an incident, and notify the channels that were informed of it."""
    row = _check_person_move(tx, command.incident, _MOVE.ACKNOWLEDGE)
    if isinstance(row, _Row):
        tx.change("acknowledge_incident", (tx.now, command.until_at, command.by, command.note, row.id))
        _record_move(tx, row.id, _MOVE.ACKNOWLEDGE, command.by, command.note)
        _notify_informed_channels(tx, row, NotificationEvent.ACKNOWLEDGED, str(tx.now))
        return DONE
    return row


def snooze_incident(tx: Transaction, command: SnoozeIncident) -> CommandDone | Refused:
    """Snooze an incident: send no notification for a while."""
    row = _check_person_move(tx, command.incident, _MOVE.SNOOZE)
    if isinstance(row, _Row):
        tx.change("snooze_incident", (tx.now, command.until_at, command.by, command.note, row.id))
        _record_move(tx, row.id, _MOVE.SNOOZE, command.by, command.note)
        _notify_informed_channels(tx, row, NotificationEvent.SNOOZED, str(tx.now))
        return DONE
    return row


def resolve_incident(tx: Transaction, command: ResolveIncident) -> CommandDone | Refused:
    """Resolve an incident for a person: the failed runs that are its members now are decided. Also resolves the
    incidents grouped under it.
    """
    row = _check_person_move(tx, command.incident, _MOVE.RESOLVE)
    if isinstance(row, _Row):
        for part in tx.all("list_failing_grouped_incidents", (row.id,)):
            _resolve(tx, _Row(*part), command.by, command.note)
        _resolve(tx, row, command.by, command.note)
        if (
            row.kind == IncidentKind.CLOCK_REGRESSION
            and (newest := tx.value("find_newest_clock_step", (), int)) is not None
        ):
            tx.change("put_meta", (DECIDED_CLOCK_STEP, str(newest)))
        return DONE
    return row


def _check_person_move(tx: Transaction, incident: str, move: IncidentMove) -> _Row | CommandDone | Refused:
    """Return the incident if a person may make this move, else the answer to the person."""
    tx.hold("incidents")
    found = tx.first("find_incident", (incident,))
    if found is None:
        return Refused("not_found", f"there is no incident {incident}")
    row = _Row(*found)
    if row.may(move):
        return row
    if tx.again and row.state == INCIDENT_MOVES[move][1]:
        return DONE
    return Refused("wrong_state", f"incident {incident} is {row.state}")


def _find_incident(tx: Transaction, subject: Subject) -> _Row | None:
    found = tx.first("find_incident_of", (subject.automation, subject.kind.value, subject.fingerprint))
    return None if found is None else _Row(*found)


def _record_move(tx: Transaction, incident: str, move: IncidentMove, by: str | None, note: str | None) -> None:
    tx.change("insert_incident_move", (incident, move.value, tx.now, by, note))


def _notify_informed_channels(tx: Transaction, row: _Row, about: NotificationEvent, part: str = "") -> None:
    """Notify all channels that were informed of this opening, or will be: those not before they are."""
    informed_channels = tx.all("list_notified_channels", (row.id, row.opened, tx.now + MAX_CLOCK_LEAD_MS))
    to = tuple(NotificationTarget(max(due_at, tx.now), channel) for channel, due_at in informed_channels)
    _insert_alerts(tx, row.id, row.opened, about, Severity(row.severity), to, part)


def _insert_alerts(
    tx: Transaction,
    incident: str,
    opened: int,
    about: NotificationEvent,
    severity: Severity,
    to: tuple[NotificationTarget, ...],
    part: str = "",
) -> bool:
    """Insert alerts; an earlier alert under the same key stays as it is."""
    inserted = 0
    for target in to:
        key = ":".join((incident, str(opened), about.value, part, target.channel))
        values = (key, incident, opened, about.value, target.channel, severity.value, AlertState.UNSENT.value)
        inserted += tx.change("insert_alert", (*values, tx.now, target.due_at))
    return bool(inserted)

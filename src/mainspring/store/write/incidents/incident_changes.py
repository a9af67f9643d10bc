"""Changes of incidents: one row for each problem, its history and its alerts, all in the commit of the evaluation that found it.

A look may be written twice, or by two watchers at once: rows of `faults` count for the first, an alert has a unique key, and what was
resolved after a look began is not reopened by it. An instant that lies ahead was written by a clock that has been put back since: it holds
nothing up.
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
"""So often is it written down that an incident was seen again, if nothing else of it changed."""
_EARLY_MS = 10 * 60_000
"""So long before the loss of a process is told may what follows from it have been."""

_M, _S = IncidentMove, IncidentState


class _Row(msgspec.Struct):
    """An incident as far as a look decides upon it."""

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
    """Write one look down."""
    tx.hold("incidents")
    if command.is_back:
        tx.change("pull_back_incidents", (tx.now, tx.now + MAX_CLOCK_LEAD_MS))
    fresh: set[int] = set()
    for group in command.groups:
        fresh |= _group(tx, group)
    changes = sum(_find(tx, found, fresh, command.looked_at) for found in command.found)
    changes += sum(_well(tx, subject, command.looked_at) for subject in command.well)
    changes += sum(_remind(tx, reminder) for reminder in command.reminders)
    changes += sum(_digest(tx, digest) for digest in command.digests)
    return NumberAnswer(changes)


def _group(tx: Transaction, group: ErrorGroup) -> set[int]:
    """Add failures to their group; return those that no other watcher had added before."""
    seqs = json.dumps([told.seq for told in group.told])
    fresh = {row[0] for row in tx.all("set_failure_fingerprints", (group.fingerprint, seqs))}
    told = sorted((one for one in group.told if one.seq in fresh), key=lambda one: one.seq)
    if told:
        g, first, last = group, told[0], told[-1]
        shown = (g.automation, g.fingerprint, g.type, g.code, g.place, g.message)
        tx.change("add_to_error_group", (*shown, first.at, last.at, len(told), first.run, last.run))
    return fresh


def _find(tx: Transaction, found: EvaluatedFinding, fresh: set[int], looked_at: int) -> bool:
    finding = found.finding
    mine = fresh.intersection(found.faults)
    number = len(mine) if found.faults else finding.number
    if not number:
        return False
    row = _of(tx, finding.subject)
    above = None if found.parent is None else _of(tx, found.parent)
    parent = _parent(row, above, finding.subject.kind)
    if row is None:
        _open(tx, found, number, parent)
        _attach(tx, found.id, 1, mine)
        return True
    if row.may(_M.REOPEN):
        if not found.faults and row.resolved_at is not None and _is_later(tx, row.resolved_at, looked_at):
            return False
        _reopen(tx, row, found, number, parent)
        _attach(tx, row.id, row.opened + 1, mine)
        return True
    _attach(tx, row.id, row.opened, mine)
    if row.parent is None and (above is None or not _is_early_sign(row, found.parent, above)):
        parent = None
    return _refresh(tx, row, found, number if found.faults else 0, parent)


def _attach(tx: Transaction, incident: str, opened: int, seqs: set[int]) -> None:
    """Make failures members of this opening of an incident."""
    if seqs:
        tx.change("attach_members", (incident, opened, json.dumps(sorted(seqs))))


def _parent(row: _Row | None, above: _Row | None, kind: IncidentKind) -> str | None:
    """Return what a finding is part of: what somebody has looked after since the look takes in nothing that is not part of it yet."""
    if above is None or above.state == _S.RESOLVED:
        return None
    is_part = row is not None and row.state != _S.RESOLVED and row.parent is not None
    return above.id if is_part or above.state == _S.OPEN or kind in REDUNDANT_KINDS else None


def _is_early_sign(row: _Row, cause: Subject | None, above: _Row) -> bool:
    """Whether what was told by itself becomes part of its cause: what is late is seen sooner than that nobody is there who would do it."""
    is_death = cause is not None and cause.kind is IncidentKind.WORKER_LOST
    return is_death and above.opened_at - row.opened_at < _EARLY_MS


def _open(tx: Transaction, found: EvaluatedFinding, number: int, parent: str | None) -> None:
    f, s = found.finding, found.finding.subject
    values = (
        *(found.id, s.automation, s.kind.value, s.fingerprint, _S.OPEN.value, f.severity.value, f.text, f.hint),
        *(msgspec.json.encode(f.facts), f.since_at, tx.now, number, parent),
    )
    tx.change("insert_incident", values)
    _note(tx, found.id, _M.OPEN, None, None)
    if parent is None:
        _tell(tx, found.id, 1, NotificationEvent.OPENED, f.severity, found.to)


def _reopen(tx: Transaction, row: _Row, found: EvaluatedFinding, number: int, parent: str | None) -> None:
    f = found.finding
    facts = msgspec.json.encode(f.facts)
    values = (f.severity.value, f.text, f.hint, facts, f.since_at, tx.now, number, parent, row.id)
    tx.change("reopen_incident", values)
    _note(tx, row.id, _M.REOPEN, None, None)
    if parent is None:
        _tell(tx, row.id, row.opened + 1, NotificationEvent.REOPENED, f.severity, found.to)


def _refresh(tx: Transaction, row: _Row, found: EvaluatedFinding, more: int, parent: str | None) -> bool:
    """Keep what was seen of an incident that is open; tell of one that is folded no more, or has become louder.

    What was told by itself and becomes part of another is told to nobody again.
    """
    f = found.finding
    severity = min(Severity(row.severity), f.severity, key=lambda one: one.rank)
    facts = msgspec.json.encode(f.facts)
    is_new = more or (severity.value, f.text, f.hint, facts, parent) != (
        row.severity,
        row.text,
        row.hint,
        row.facts,
        row.parent,
    )
    if is_new or row.seen_at + _SEEN_EVERY_MS <= tx.now:
        tx.change("refresh_incident", (severity.value, f.text, f.hint, facts, tx.now, more, parent, row.id))
    if parent is None and row.parent is not None:
        about = NotificationEvent.OPENED if row.opened == 1 else NotificationEvent.REOPENED
        _tell(tx, row.id, row.opened, about, severity, found.to)
    elif severity.value != row.severity and parent is None and row.state == _S.OPEN:
        _tell(tx, row.id, row.opened, NotificationEvent.REPEATED, severity, found.to, severity.value)
    return bool(is_new)


def _well(tx: Transaction, subject: Subject, looked_at: int) -> bool:
    row = _of(tx, subject)
    if row is None or not row.may(_M.RESOLVE) or _is_later(tx, row.seen_at, looked_at):
        return False
    if tx.one("find_open_member", (row.id,)) is not None:
        return False
    _resolve(tx, row, None, None)
    return True


def _is_later(tx: Transaction, at: int, looked_at: int) -> bool:
    """Whether something was written after a look began."""
    return looked_at < at <= tx.now + MAX_CLOCK_LEAD_MS


def _resolve(tx: Transaction, row: _Row, by: str | None, note: str | None) -> None:
    tx.change("settle_members_of_incident", (row.id, tx.now, by))
    tx.change("resolve_incident", (tx.now, by, note, row.id, _facts_at_end(tx, row)))
    _note(tx, row.id, _M.RESOLVE, by, note)
    _tell_again(tx, row, NotificationEvent.RESOLVED)


def _facts_at_end(tx: Transaction, row: _Row) -> bytes:
    """Return the facts of an incident that is over, with what became of its failed runs where it is more than one, or not fixed."""
    facts = msgspec.json.decode(row.facts)
    decided = describe_decisions([SettledCount(*group) for group in tx.all("list_settlements", (row.id,))])
    facts |= {} if decided is None else {DECISION_FACT: decided}
    found = tx.one("list_members_of_incidents", (json.dumps([row.id]),)) if MEMBERS_FACT in facts else None
    if found is None:
        return row.facts if decided is None else msgspec.json.encode(facts)
    _, failed, still_open, fixed, _ = found
    text = describe_members(failed, still_open, fixed, halted=row.kind == IncidentKind.NEEDS_ATTENTION)
    return msgspec.json.encode(facts | {MEMBERS_FACT: text})


def _remind(tx: Transaction, reminder: IncidentReminder) -> bool:
    found = tx.one("find_incident", (reminder.incident,))
    row = None if found is None else _Row(*found)
    if row is None or row.opened != reminder.opened:
        return False
    is_over = row.may(_M.WAKE) and row.snoozed_until is not None and row.snoozed_until <= tx.now
    if is_over:
        _wake(tx, row)
    elif row.state != _S.OPEN and not (reminder.wakes and row.state == _S.ACKNOWLEDGED):
        return False
    r = reminder
    is_new = _tell(tx, row.id, row.opened, r.about, Severity(row.severity), r.to, str(r.number))
    if is_new and not is_over and row.state == _S.ACKNOWLEDGED:
        _wake(tx, row)
    return is_new


def _wake(tx: Transaction, row: _Row) -> None:
    tx.change("wake_incident", (tx.now, row.id))
    _note(tx, row.id, _M.WAKE, None, None)


def _digest(tx: Transaction, digest: Digest) -> bool:
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
    """Note who looks after it, and let everybody know who was told of it."""
    row = _person(tx, command.incident, _M.ACKNOWLEDGE)
    if isinstance(row, _Row):
        tx.change("acknowledge_incident", (tx.now, command.until_at, command.by, command.note, row.id))
        _note(tx, row.id, _M.ACKNOWLEDGE, command.by, command.note)
        _tell_again(tx, row, NotificationEvent.ACKNOWLEDGED, str(tx.now))
        return DONE
    return row


def snooze_incident(tx: Transaction, command: SnoozeIncident) -> CommandDone | Refused:
    """Say no more of it for a while."""
    row = _person(tx, command.incident, _M.SNOOZE)
    if isinstance(row, _Row):
        tx.change("snooze_incident", (tx.now, command.until_at, command.by, command.note, row.id))
        _note(tx, row.id, _M.SNOOZE, command.by, command.note)
        _tell_again(tx, row, NotificationEvent.SNOOZED, str(tx.now))
        return DONE
    return row


def resolve_incident(tx: Transaction, command: ResolveIncident) -> CommandDone | Refused:
    """Take a person's word that it is over, and that the failed runs that are its members now are decided; so of what is folded into it."""
    row = _person(tx, command.incident, _M.RESOLVE)
    if isinstance(row, _Row):
        for part in tx.all("list_failing_grouped_incidents", (row.id,)):
            _resolve(tx, _Row(*part), command.by, command.note)
        _resolve(tx, row, command.by, command.note)
        if row.kind == IncidentKind.CLOCK_REGRESSION and (newest := tx.one("find_newest_clock_step")) is not None:
            tx.change("put_meta", (DECIDED_CLOCK_STEP, str(newest[0])))
        return DONE
    return row


def _person(tx: Transaction, incident: str, move: IncidentMove) -> _Row | CommandDone | Refused:
    """Return the incident if a person may make this move of it, or what he is answered."""
    tx.hold("incidents")
    found = tx.one("find_incident", (incident,))
    if found is None:
        return Refused("not_found", f"there is no incident {incident}")
    row = _Row(*found)
    if row.may(move):
        return row
    if tx.again and row.state == INCIDENT_MOVES[move][1]:
        return DONE
    return Refused("wrong_state", f"incident {incident} is {row.state}")


def _of(tx: Transaction, subject: Subject) -> _Row | None:
    found = tx.one("find_incident_of", (subject.automation, subject.kind.value, subject.fingerprint))
    return None if found is None else _Row(*found)


def _note(tx: Transaction, incident: str, move: IncidentMove, by: str | None, note: str | None) -> None:
    tx.change("insert_incident_move", (incident, move.value, tx.now, by, note))


def _tell_again(tx: Transaction, row: _Row, about: NotificationEvent, part: str = "") -> None:
    """Tell all channels that have heard of this opening, or will: those not before they do."""
    heard = tx.all("list_notified_channels", (row.id, row.opened, tx.now + MAX_CLOCK_LEAD_MS))
    to = tuple(NotificationTarget(max(due_at, tx.now), channel) for channel, due_at in heard)
    _tell(tx, row.id, row.opened, about, Severity(row.severity), to, part)


def _tell(
    tx: Transaction,
    incident: str,
    opened: int,
    about: NotificationEvent,
    severity: Severity,
    to: tuple[NotificationTarget, ...],
    part: str = "",
) -> bool:
    """Write down what is to be told; what was written before under its key stays as it is."""
    made = 0
    for target in to:
        key = ":".join((incident, str(opened), about.value, part, target.channel))
        values = (key, incident, opened, about.value, target.channel, severity.value, AlertState.UNSENT.value)
        made += tx.change("insert_alert", (*values, tx.now, target.due_at))
    return bool(made)

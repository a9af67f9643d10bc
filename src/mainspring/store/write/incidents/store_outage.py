"""Store outages: recorded when the store is back. People were notified without it, so this sends no notification."""

import msgspec

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.states import IncidentMove, IncidentState
from mainspring.store.commands.incidents import RecordStoreOutage
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.transaction import Transaction


def record_store_outage(tx: Transaction, command: RecordStoreOutage) -> CommandDone:
    """Open or reopen the incident of a lost store at its instant, and resolve it; simultaneous reports of several
    machines are one incident.
    """
    tx.hold("incidents")
    c = command
    known = tx.first("read_store_loss_incident", (IncidentKind.STORE_LOST.value,))
    if known is None:
        _open(tx, c)
        _end(tx, c, c.id)
        return DONE
    incident, resolved_at = known
    if resolved_at is None or c.since_at > resolved_at:
        _reopen(tx, c, incident)
        _end(tx, c, incident)
    elif c.over_at > resolved_at:
        tx.change("resolve_incident", (c.over_at, None, None, incident, None))
    return DONE


def _open(tx: Transaction, c: RecordStoreOutage) -> None:
    about = (c.id, "", IncidentKind.STORE_LOST.value, "", IncidentState.OPEN.value, Severity.PAGE.value)
    facts = msgspec.json.encode(c.facts)
    tx.change("insert_incident", (*about, c.text, None, facts, c.since_at, c.since_at, 1, None))
    tx.change("insert_incident_move", (c.id, IncidentMove.OPEN.value, c.since_at, None, None))


def _reopen(tx: Transaction, c: RecordStoreOutage, incident: str) -> None:
    facts = msgspec.json.encode(c.facts)
    tx.change("reopen_incident", (Severity.PAGE.value, c.text, None, facts, c.since_at, c.since_at, 1, None, incident))
    tx.change("insert_incident_move", (incident, IncidentMove.REOPEN.value, c.since_at, None, None))


def _end(tx: Transaction, c: RecordStoreOutage, incident: str) -> None:
    tx.change("resolve_incident", (c.over_at, None, None, incident, None))
    tx.change("insert_incident_move", (incident, IncidentMove.RESOLVE.value, c.over_at, None, None))

"""Deliveries as they are read back: their rows, and the events that stand in them or that they point to."""

from typing import Any, NamedTuple

import msgspec

from mainspring.domain.sealing import Sealing
from mainspring.store.base import Reader
from mainspring.triggers.known import KnownTrigger
from mainspring.triggers.making import Event, data_of, event_of


class Delivered(NamedTuple):
    """A row of a delivery that waits: body, data and headers are sealed; `source` = the event, or the run whose end it is."""

    seq: int
    id: str
    trigger: str
    key: str
    name: str
    body: bytes | None
    data: bytes | None
    headers: bytes | None
    source: str | None
    received_at: int


class End(NamedTuple):
    """How a run ended; result sealed."""

    run: str
    automation: str
    state: str
    reason: str | None
    slot_at: int | None
    key: str | None
    result: bytes | None
    at: int | None
    schedule: str | None


def end_of(reader: Reader, run: str) -> End | None:
    """Return how a run ended; None if it is gone."""
    rows = reader.read("read_end_of", (run,))
    return End(*rows[0]) if rows else None


def event_in(known: KnownTrigger, row: Delivered, reader: Reader, sealing: Sealing) -> Event | None:
    """Return the event of a delivery; None if what it points to is gone. Blocking; raises SealedError."""
    if known.trigger.kind == "event" and row.source is not None:
        found = reader.read("list_event_of", (row.source,))
        if not found:
            return None
        event, name, key, data, at = found[0]
        opened = msgspec.json.decode(sealing.open(data))
        return event_of(known, id=event, key=key or event, name=name, data=opened, at=at)
    if row.source is not None:
        end = end_of(reader, row.source)
        if end is None:
            return None
        shown = data_of_end(end, sealing)
        return event_of(
            known, id=row.id, key=row.key, name=f"{end.automation}.{end.state}", data=shown, at=row.received_at
        )
    given = row.data if row.data is not None else row.body
    headers = {} if row.headers is None else msgspec.json.decode(sealing.open(row.headers))
    opened = data_of(sealing.open(given or b"null"))
    return event_of(known, id=row.id, key=row.key, name=row.name, data=opened, at=row.received_at, headers=headers)


def data_of_end(end: End, sealing: Sealing) -> dict[str, Any]:
    """Return what a listener is told of an end."""
    result = None if end.result is None else msgspec.json.decode(sealing.open(end.result))
    return {
        "run": end.run,
        "automation": end.automation,
        "state": end.state,
        "reason": end.reason,
        "slot_at": end.slot_at,
        "key": end.key,
        "result": result,
    }

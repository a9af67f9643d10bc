"""Rows of stored deliveries, and the events that they contain or refer to."""

import json
import logging
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.values.sealing import Sealing
from mainspring.store.base import StoreReader
from mainspring.triggers.start_from_event import EventData, build_event, decode_body
from mainspring.triggers.trigger_cache import CachedTrigger

_LOG = logging.getLogger("mainspring.deliveries")
_MIN_SHARE = 20
_RETRY_AFTER_MS = 5_000


class WaitingDelivery(NamedTuple):
    """A row of a waiting delivery: body, data and headers are sealed; `source` = id of the event, or of the run that ended."""

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


class UnreadableDelivery(NamedTuple):
    """A delivery whose event cannot be read here, with the reason: it waits for a process that can."""

    why: str


class RunEndRow(NamedTuple):
    """The end of a run; result and headers sealed."""

    run: str
    automation: str
    state: str
    reason: str | None
    slot_at: int | None
    key: str | None
    result: bytes | None
    at: int | None
    headers: bytes | None


def read_run_ends(reader: StoreReader, rows: Sequence[WaitingDelivery]) -> dict[str, RunEndRow]:
    """Return the ends of the runs that these deliveries refer to, without deleted runs."""
    return {row[0]: RunEndRow(*row) for row in _read_sources(reader, "list_run_results_of", rows)}


def read_events(
    known: CachedTrigger, rows: Sequence[WaitingDelivery], reader: StoreReader, sealing: Sealing
) -> list[EventData | UnreadableDelivery | None]:
    """Return the event of each delivery of one trigger; None if its source was deleted. Blocking; raises StoreError."""
    if known.trigger.kind == "event":
        sources = {row[0]: row for row in _read_sources(reader, "list_events_of", rows)}
    else:
        sources = {run: tuple(end) for run, end in read_run_ends(reader, rows).items()}
    return [_read_event(known, row, sources, sealing) for row in rows]


def _read_sources(reader: StoreReader, query: str, rows: Sequence[WaitingDelivery]) -> list[tuple[Any, ...]]:
    sources = sorted({row.source for row in rows if row.source is not None})
    return reader.read(query, (json.dumps(sources),)) if sources else []


def _read_event(
    known: CachedTrigger, row: WaitingDelivery, sources: dict[str, tuple[Any, ...]], sealing: Sealing
) -> EventData | UnreadableDelivery | None:
    source = None if row.source is None else sources.get(row.source)
    if row.source is not None and source is None:
        return None
    try:
        if source is None:
            return _event_of_delivery(known, row, sealing)
        if known.trigger.kind == "event":
            event, name, key, data, at = source
            opened = msgspec.json.decode(sealing.open(data))
            headers = _open_headers(row.headers, sealing)
            return build_event(known, id=event, key=key or event, name=name, data=opened, at=at, headers=headers)
        return _event_of_run_end(known, row, RunEndRow(*source), sealing)
    except MainspringError as error:
        return UnreadableDelivery(f"{error.message}\n{error.hint}" if error.hint else error.message)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return UnreadableDelivery(f"what is stored of it cannot be read: {error}")


def _event_of_delivery(known: CachedTrigger, row: WaitingDelivery, sealing: Sealing) -> EventData:
    sealed = row.data if row.data is not None else row.body
    headers = _open_headers(row.headers, sealing)
    data = None if sealed is None else decode_body(sealing.open(sealed))
    return build_event(known, id=row.id, key=row.key, name=row.name, data=data, at=row.received_at, headers=headers)


def _event_of_run_end(known: CachedTrigger, row: WaitingDelivery, end: RunEndRow, sealing: Sealing) -> EventData:
    result = None if end.result is None else msgspec.json.decode(sealing.open(end.result))
    data = {
        "run": end.run,
        "automation": end.automation,
        "state": end.state,
        "reason": end.reason,
        "slot_at": end.slot_at,
        "key": end.key,
        "result": result,
    }
    at = row.received_at if end.at is None else end.at
    name, headers = f"{end.automation}.{end.state}", _open_headers(end.headers, sealing)
    return build_event(known, id=row.id, key=row.key, name=name, data=data, at=at, headers=headers)


def _open_headers(sealed: bytes | None, sealing: Sealing) -> dict[str, str]:
    headers: dict[str, str] = {} if sealed is None else msgspec.json.decode(sealing.open(sealed))
    return headers


class UndecidedDeliveryReader:
    """Reads the deliveries; used by one reader at a time. `filtered` = those that wait for a filter, otherwise for the router.

    A delivery that cannot be read here (another codec, another version) is skipped: later ones go first, until it is retried after
    some seconds.
    """

    def __init__(self, reader: StoreReader, *, filtered: bool) -> None:
        self._reader = reader
        self._filtered = int(filtered)
        self._after: dict[str, int] = {}
        self._restarted_at = 0
        self._logged_reasons: dict[str, str] = {}
        self._waiting_triggers: set[str] = set()
        """Triggers with a waiting delivery, since the last read from the start."""
        self.is_full = False
        """Whether a trigger had more deliveries than were read."""

    def read(
        self, now: int, most: int, accepts: Callable[[str], bool] = lambda trigger: True, busy: Container[str] = ()
    ) -> dict[str, list[WaitingDelivery]]:
        """Return deliveries by trigger, each oldest first, at most about `most`; without triggers that are not accepted, or busy."""
        if now - self._restarted_at >= _RETRY_AFTER_MS or now < self._restarted_at:
            self._restarted_at = now
            self._after.clear()
            self._logged_reasons = {
                trigger: reason for trigger, reason in self._logged_reasons.items() if trigger in self._waiting_triggers
            }
            self._waiting_triggers.clear()
        names = [name for (name,) in self._reader.read("list_waiting_triggers", (self._filtered,))]
        names = [name for name in names if name not in busy and accepts(name)]
        share = max(most // max(len(names), 1), _MIN_SHARE)
        rows_by_trigger: dict[str, list[WaitingDelivery]] = {}
        self.is_full = False
        for name in names:
            rows = self._reader.read(
                "list_received_deliveries", (self._filtered, name, self._after.get(name, 0), share)
            )
            rows_by_trigger[name] = [WaitingDelivery(*row) for row in rows]
            self.is_full |= len(rows) >= share
        return {name: rows for name, rows in rows_by_trigger.items() if rows}

    @property
    def has_skipped(self) -> bool:
        """Whether a delivery is skipped that is retried in some seconds."""
        return bool(self._after)

    def skip(self, row: WaitingDelivery, reason: str) -> None:
        """Skip a delivery, so that later ones go first; log the reason once."""
        self._after[row.trigger] = max(row.seq, self._after.get(row.trigger, 0))
        self.log_wait(row.trigger, f"delivery {row.id}", reason)

    def log_wait(self, trigger: str, subject: str, reason: str) -> None:
        """Log once why a delivery of a trigger waits; again if the reason changes or it waits again."""
        self._waiting_triggers.add(trigger)
        if self._logged_reasons.get(trigger) != reason:
            self._logged_reasons[trigger] = reason
            _LOG.error("%s for %s waits: %s", subject, trigger, reason)

"""Reads of bulk operations: lists, single ones, and the result of each of their runs."""

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.transaction import Row

_names = msgspec.json.Decoder(tuple[str, ...]).decode


class _Replay(msgspec.Struct):
    delivery: str


_detail = msgspec.json.Decoder(_Replay).decode


class BulkView(msgspec.Struct, frozen=True):
    """One operation on many runs or deliveries. `selection` = JSON of the selection; up to the part `reached` all is done
    or refused.
    """

    seq: int
    id: str
    verb: BulkVerb
    state: BulkState
    selection: bytes = msgspec.field(name="which")
    automations: tuple[str, ...]
    rate: str | None
    actor: str
    reason: str | None
    total: int
    done: int
    refused: int
    reached: str
    made_at: int
    changed_at: int
    ended_at: int | None
    due_at: int

    @property
    def left(self) -> int:
        """How many parts are still pending."""
        return self.total - self.done - self.refused


class BulkPart(msgspec.Struct, frozen=True):
    """One part of a bulk operation, by the id of its run or delivery; `reason` = that of a refusal. `is_done` = the
    operation is done.

    `repeat` = the new delivery of a replayed one.
    """

    id: str
    is_done: bool
    reason: str | None = msgspec.field(name="why")
    repeat: str | None = None


def list_bulk_operations(reader: StoreReader, *, limit: int = 50, cursor: int | None = None) -> list[BulkView]:
    """Return bulk operations, newest first; `cursor` = the seq where the last page ended."""
    return [_view(row) for row in reader.read("list_bulk_operations", (NEWEST if cursor is None else cursor, limit))]


def is_due(reader: StoreReader, now: int) -> bool:
    """Tell whether a batch can be leased at `now` (ms): it is due and not leased, and the store is not on hold."""
    return bool(reader.read("list_due_bulk_operations", (now, now + MAX_CLOCK_LEAD_MS))) and not reader.read(
        "read_meta", (HOLD_KEY,)
    )


def read_bulk_operation(reader: StoreReader, id: str) -> BulkView | None:
    """Return one bulk operation."""
    rows = reader.read("read_bulk_operation", (id,))
    return next(map(_view, rows), None)


def bulk_parts(
    reader: StoreReader, bulk: BulkView, *, refused: bool = False, limit: int = 50, cursor: str | None = None
) -> list[BulkPart]:
    """Return parts of one, oldest first, behind the part `cursor`: all, or those that were refused."""
    rows = reader.read("list_refused_bulk_runs" if refused else "list_bulk_runs", (bulk.id, cursor or "", limit))
    done = [id for id, reason in rows if reason is None and id <= bulk.reached]
    repeats = _repeats(reader, bulk, done) if bulk.verb is BulkVerb.REPLAY and done else {}
    return [BulkPart(id, reason is None and id <= bulk.reached, reason, repeats.get(id)) for id, reason in rows]


def _repeats(reader: StoreReader, bulk: BulkView, parts: list[str]) -> dict[str, str]:
    """Return the new delivery of each replayed part, from the audit log."""
    commands = {f"{bulk.id}/{part}": part for part in parts}
    rows = reader.read("list_audit_details", (msgspec.json.encode(list(commands)).decode(),))
    return {commands[command]: _detail(detail).delivery for command, detail in rows if detail is not None}


def _view(row: Row) -> BulkView:
    seq, id, verb, state, selection, automations, *rest = row
    return BulkView(seq, id, BulkVerb(verb), BulkState(state), selection, _names(automations), *rest)

"""Deliveries in bulk: incoming ones and decisions, without flow control or a run key."""

from collections.abc import Sequence

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControlDecision
from mainspring.store.commands.results import DeliveryStored
from mainspring.store.commands.triggers import AcceptDelivery, DecideDelivery
from mainspring.store.postgres.arrays import columns, texts
from mainspring.store.postgres.bulk import starts
from mainspring.store.postgres.bulk.batch_rule import BatchRule
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.schema.triggers.deliveries import KNOWN_KEY, KnownKey
from mainspring.store.write.delivery_row import InsertedDelivery
from mainspring.store.write.held_store import is_in_lost_interval
from mainspring.store.write.triggers import deliveries

_COLUMNS = "ttttt" + "ntt" + "bbb" + "tttt" + "nt" + "ntn"
_WITHOUT_RUN = frozenset({DeliveryState.FILTERED, DeliveryState.DROPPED, DeliveryState.REFUSED, DeliveryState.FAILED})


def _find_plain_deliveries(tx: PostgresTransaction, commands: Sequence[AcceptDelivery]) -> list[bool]:
    known = {name: tx.first("find_trigger", (name,)) is not None for name in sorted({c.trigger for c in commands})}
    return [
        known[c.trigger]
        and c.refused is None
        and not (c.was_stored and is_in_lost_interval(tx, c.happened_at))
        and (c.filtered or (c.pace.is_plain and c.start is not None and starts.is_plain(tx, c.start)))
        for c in commands
    ]


def _accept(tx: PostgresTransaction, commands: list[AcceptDelivery]) -> list[DeliveryStored | None]:
    """Store deliveries and start their runs; the handler answers for known keys."""
    known = {(found.trigger, found.key) for found in _list_known_keys(tx, [c for c in commands if c.filtered])}
    rows = [
        deliveries.row_of(tx, c, FlowControlDecision(_state(c)), None if c.filtered or c.start is None else c.start.id)
        for c in commands
        if (c.trigger, c.key) not in known
    ]
    if not rows:
        return [None] * len(commands)
    new_ids = set(tx.values("insert_deliveries", columns(_COLUMNS, rows), str))
    started = [c.start for c in commands if c.id in new_ids and c.start is not None and not c.filtered]
    if started:
        starts.stage(tx, started)
    tx.triggers |= bool(new_ids)
    return [_answer(c) if c.id in new_ids else None for c in commands]


def _list_known_keys(tx: PostgresTransaction, commands: Sequence[AcceptDelivery | DecideDelivery]) -> list[KnownKey]:
    """Return the deliveries under the keys of these commands. The group has locked all of these keys."""
    if not commands:
        return []
    keys = (texts([c.trigger for c in commands]), texts([c.key for c in commands]))
    return KNOWN_KEY.read_all(tx.all("list_known_keys", keys))


def _state(c: AcceptDelivery) -> DeliveryState:
    return DeliveryState.RECEIVED if c.filtered else DeliveryState.STARTED


def _answer(c: AcceptDelivery) -> DeliveryStored:
    run = None if c.filtered or c.start is None else c.start.id
    return DeliveryStored(c.id, _state(c), run, first=True)


def _find_plain_decisions(tx: PostgresTransaction, commands: Sequence[DecideDelivery]) -> list[bool]:
    return [
        c.state in _WITHOUT_RUN
        or (
            c.state is DeliveryState.STARTED
            and c.pace.is_plain
            and c.start is not None
            and starts.is_plain(tx, c.start)
        )
        for c in commands
    ]


def _decide(tx: PostgresTransaction, commands: list[DecideDelivery]) -> list[DeliveryStored | None]:
    """Decide on received deliveries and start their runs; the handler answers if another process decided."""
    claiming = {c.delivery: c for c in commands if c.state is DeliveryState.STARTED and c.key}
    if claiming:
        owners = {
            (found.trigger, found.key): found.id
            for found in _list_known_keys(tx, list(claiming.values()))
            if not found.variant
        }
        conflicting = {
            c.delivery for c in claiming.values() if owners.get((c.trigger, c.key), c.delivery) != c.delivery
        }
        if conflicting:
            settled = iter(_settle(tx, [c for c in commands if c.delivery not in conflicting]))
            return [None if c.delivery in conflicting else next(settled) for c in commands]
    return _settle(tx, commands)


def _settle(tx: PostgresTransaction, commands: list[DecideDelivery]) -> list[DeliveryStored | None]:
    if not commands:
        return []
    runs = [c.start.id if c.start is not None and c.state is DeliveryState.STARTED else None for c in commands]
    notes = [None if c.state is DeliveryState.STARTED else c.note for c in commands]
    rows = [
        (c.delivery, c.state.value, note, run, c.by, 1 if run and c.key else 0)
        for c, note, run in zip(commands, notes, runs, strict=True)
    ]
    settled = set(tx.values("settle_deliveries", (*columns("tttttn", rows), tx.now), str))
    started = [
        c.start for c, run in zip(commands, runs, strict=True) if c.delivery in settled and run and c.start is not None
    ]
    if started:
        starts.stage(tx, started)
    return [
        DeliveryStored(c.delivery, c.state, run, first=True, note=note) if c.delivery in settled else None
        for c, run, note in zip(commands, runs, notes, strict=True)
    ]


def insert_delivery_rows(tx: PostgresTransaction, rows: Sequence[InsertedDelivery]) -> None:
    """Insert deliveries for subscribers, with the next message to the server."""
    if rows:
        tx.later("insert_deliveries", columns(_COLUMNS, rows))
        tx.triggers = True


DELIVERIES: BatchRule[AcceptDelivery] = BatchRule(
    AcceptDelivery.batched_by(_accept),
    key=lambda c: (c.trigger, c.key),
    run=lambda c: c.id,
    plain=_find_plain_deliveries,
)
DECISIONS: BatchRule[DecideDelivery] = BatchRule(
    DecideDelivery.batched_by(_decide),
    key=lambda c: (c.trigger, c.key) if c.key else c.delivery,
    run=lambda c: c.delivery,
    plain=_find_plain_decisions,
)

"""Subscriptions inside the store: a published event or the end of a run becomes a delivery of each subscribed trigger,
in the same commit.
"""

from typing import NamedTuple

import msgspec

from mainspring.domain.ids import derive_id
from mainspring.domain.states import DeliveryState, RunState
from mainspring.domain.triggers.event_matching import event_hash, match_hash, match_paths
from mainspring.store.transaction import Transaction
from mainspring.store.write.delivery_row import InsertedDelivery

_CACHE = "listeners"


class _Subscriber(NamedTuple):
    """A trigger that is subscribed; `condition` = of an event its values by path, of ends of runs the states."""

    trigger: str
    condition: dict[str, object] | list[str]
    is_filtered: int


def has_subscriber(tx: Transaction, name: str, data: object) -> bool:
    """Tell whether a trigger is subscribed to an event of this name with this data."""
    return any(_matches(subscriber, name, data) for subscriber in _list_subscribers(tx, "event", name))


def deliver_event(tx: Transaction, event: str, name: str, data: object, headers: bytes | None = None) -> None:
    """Deliver an event, with its sealed headers, to the triggers that are subscribed to its name and match its data."""
    rows = [
        _row(tx, subscriber.trigger, event, event, name, subscriber.is_filtered, headers)
        for subscriber in _list_subscribers(tx, "event", name)
        if _matches(subscriber, name, data)
    ]
    _insert(tx, rows)


def _matches(subscriber: _Subscriber, name: str, data: object) -> bool:
    where = subscriber.condition if isinstance(subscriber.condition, dict) else {}
    return event_hash(name, match_paths(where), data) == match_hash(name, where)


def deliver_run_end(tx: Transaction, run: str, automation: str, state: RunState) -> None:
    """Deliver the end of a run to the triggers subscribed to its automation. A run that was continued ends once more."""
    _insert(tx, delivery_rows_of_end(tx, run, automation, state))


def delivery_rows_of_end(tx: Transaction, run: str, automation: str, state: RunState) -> list[InsertedDelivery]:
    """Return the deliveries of an end."""
    return [
        _row(tx, trigger, run, f"{run}@{tx.now}", automation, filtered)
        for trigger, states, filtered in _list_subscribers(tx, "run", automation)
        if not states or state in states
    ]


def clear_subscription_cache(tx: Transaction) -> None:
    """Read the subscribers again: this group changed them."""
    tx.cache.pop(_CACHE, None)


def _list_subscribers(tx: Transaction, kind: str, name: str) -> list[_Subscriber]:
    """Return trigger, condition and whether it has a filter, of all subscribers; read once per group."""
    known: dict[tuple[str, str], list[_Subscriber]] = tx.cache.setdefault(_CACHE, {})
    found = known.get((kind, name))
    if found is None:
        found = known[kind, name] = [
            _Subscriber(
                trigger, msgspec.json.decode(condition), int(bool(msgspec.json.decode(definition).get("filtered")))
            )
            for trigger, condition, definition in tx.all("list_subscribed_triggers", (kind, name))
        ]
    return found


def _row(
    tx: Transaction, trigger: str, source: str, key: str, name: str, filtered: int, headers: bytes | None = None
) -> InsertedDelivery:
    delivery, state = derive_id("d", tx.now, trigger, key), DeliveryState.RECEIVED.value
    return InsertedDelivery(
        delivery, trigger, key, state, filtered=filtered, name=name, headers=headers, source=source, at=tx.now
    )


def _insert(tx: Transaction, rows: list[InsertedDelivery]) -> None:
    for row in rows:
        if tx.change("insert_delivery", row):
            tx.triggers = True

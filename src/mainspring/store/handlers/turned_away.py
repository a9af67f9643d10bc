"""Rejected deliveries: never accepted, kept for a while and in part, for people to see."""

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.commands.results import DONE, Done
from mainspring.store.commands.triggers import RefuseArrival
from mainspring.store.handlers.delivery_row import DeliveryRow
from mainspring.store.transaction import Transaction

KEPT_REFUSED = 100
"""So many refused arrivals of a trigger are kept for each reason: whoever sends rubbish must not fill the store."""


def refuse_arrival(tx: Transaction, command: RefuseArrival) -> Done:
    """Keep what was refused at the door."""
    c = command
    row = DeliveryRow(
        c.id,
        c.trigger,
        key_at_the_door(c.id),
        DeliveryState.REFUSED.value,
        c.note,
        body=c.body,
        headers=c.headers,
        verified=c.why,
        at=tx.now,
    )
    if tx.change("insert_delivery", row):
        trim(tx, c.trigger, c.why)
        tx.detail(split_trigger_name(c.trigger)[0], f"refused:{c.why}")
    return DONE


def key_at_the_door(delivery: str) -> str:
    """Return the key of what was turned away before it was taken in: one of its own, for its sender's key does not count."""
    return f"refused:{delivery}"


def trim(tx: Transaction, trigger: str, verified: str | None) -> None:
    """Forget the oldest of what was refused for a trigger for one reason, or after one verifier."""
    tx.change("trim_rejected_deliveries", (trigger, KEPT_REFUSED, verified))

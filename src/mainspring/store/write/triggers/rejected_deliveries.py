"""Rejected deliveries: never accepted, kept for a while and in part, for people to see."""

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.transaction import Transaction
from mainspring.store.write.delivery_row import InsertedDelivery

MOST_REJECTED = 100
"""So many refused arrivals of a trigger are kept for each reason: whoever sends rubbish must not fill the store."""


def reject_delivery(tx: Transaction, command: RejectDelivery) -> CommandDone:
    """Keep what was refused at the door."""
    c = command
    row = InsertedDelivery(
        c.id,
        c.trigger,
        key_of_rejected(c.id),
        DeliveryState.REFUSED.value,
        c.note,
        body=c.body,
        headers=c.headers,
        verified=c.why,
        at=tx.now,
    )
    if tx.change("insert_delivery", row):
        trim_rejected_deliveries(tx, c.trigger, c.why)
        tx.detail(split_trigger_name(c.trigger)[0], f"refused:{c.why}")
    return DONE


def key_of_rejected(delivery: str) -> str:
    """Return the key of what was turned away before it was taken in: one of its own, for its sender's key does not count."""
    return f"refused:{delivery}"


def trim_rejected_deliveries(tx: Transaction, trigger: str, verified: str | None) -> None:
    """Forget the oldest of what was refused for a trigger for one reason, or after one verifier."""
    tx.change("trim_rejected_deliveries", (trigger, MOST_REJECTED, verified))

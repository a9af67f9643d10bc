"""Rejected deliveries: never accepted, stored for a while and in part, for people."""

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.triggers import RejectDelivery
from mainspring.store.transaction import Transaction
from mainspring.store.write.delivery_row import InsertedDelivery

MOST_REJECTED = 100
"""Maximum of stored rejected deliveries of a trigger for each reason: a sender of invalid data must not fill the store."""


def reject_delivery(tx: Transaction, command: RejectDelivery) -> CommandDone:
    """Store a delivery that was rejected on receipt."""
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
    """Return the key of a delivery rejected on receipt: one of its own, because its sender's key does not count."""
    return f"refused:{delivery}"


def trim_rejected_deliveries(tx: Transaction, trigger: str, verified: str | None) -> None:
    """Delete the oldest rejected deliveries of a trigger for one reason, or after one verifier."""
    tx.change("trim_rejected_deliveries", (trigger, MOST_REJECTED, verified))

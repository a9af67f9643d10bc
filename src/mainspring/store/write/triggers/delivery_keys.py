"""The keys of deliveries: which delivery answers for a key and body, and which one holds a key against other bodies.

A delivery without a filter holds its key from the commit that stores it. With a filter each body counts once until the
first delivery that passes the filter gets the key; deliveries of other bodies that pass later are refused.
"""

from typing import NamedTuple

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControlDecision
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.store.commands.triggers import AcceptDelivery, DecideDelivery
from mainspring.store.transaction import Transaction


class KnownDelivery(NamedTuple):
    """A delivery under a key, as find_delivery returns it; `variant` is empty if it holds the key."""

    id: str
    state: str
    run: str | None
    body_hash: str | None
    note: str | None
    variant: str

    @property
    def counts(self) -> bool:
        """Whether it holds its key against other bodies."""
        return not self.variant and self.state != DeliveryState.REFUSED


def find_known(tx: Transaction, command: AcceptDelivery) -> tuple[KnownDelivery | None, bool]:
    """Return the delivery that answers for an incoming one (of the same body, else the one with its key), and whether
    it answers.

    A refused delivery answers for another body only while another one holds the key: otherwise the incoming delivery replaces it.
    """
    rows = _read(tx, command.trigger, command.key)
    known = next((row for row in rows if row.body_hash in (None, command.body_hash)), None)
    if known is None:
        known = next((row for row in rows if not row.variant), None)
    if known is None:
        return None, False
    is_replaced = known.state == DeliveryState.REFUSED and not any(row.counts for row in rows)
    if command.refused is not None and known.body_hash in (
        None,
        command.body_hash,
    ):  # the sender repeats what did not fit
        is_replaced = False
    return known, not is_replaced


def refuse_other_body(tx: Transaction, command: DecideDelivery) -> FlowControlDecision | None:
    """Refuse a delivery that passed its filter if another delivery holds its key; None = the key is free."""
    if not command.key:
        return None
    tx.hold("delivery", command.trigger, command.key)
    other_deliveries = [
        row for row in _read(tx, command.trigger, command.key) if row.id != command.delivery and not row.variant
    ]
    for other in other_deliveries:
        if other.counts:
            tx.detail(split_trigger_name(command.trigger)[0], "refused:other_body")
            note = f"delivery {other.id} has this key and another body, and passed the filter first"
            return FlowControlDecision(DeliveryState.REFUSED, note=note)
        tx.change("release_delivery_key", (other.id,))
    return None


def _read(tx: Transaction, trigger: str, key: str) -> list[KnownDelivery]:
    return [KnownDelivery(*row) for row in tx.all("find_delivery", (trigger, key))]

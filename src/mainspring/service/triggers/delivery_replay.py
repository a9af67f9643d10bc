"""Replay of a delivery."""

from mainspring.domain.ids import derive_id
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.results import DeliveryStored
from mainspring.store.commands.triggers import ReplayDelivery


def replay_delivery(store: Store, now_at: int, delivery: str, *, act: OperationContext) -> DeliveryStored:
    """Replay a delivery at `now_at` (ms) as a new one: filter and flow control decide again, and it starts a run of its own.

    Raises:
        NotFoundError: there is no such delivery, or its trigger starts nothing any more.
        ConflictError: it was rejected before its body was stored.
    """
    command = ReplayDelivery(derive_id("d", now_at, act.command), delivery)
    return perform(store, act, "replay", f"delivery:{delivery}", command, {"delivery": command.id})

"""Acts on what arrived: let a delivery arrive once more."""

from mainspring.domain.ids import derive_id
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.results import DeliveryStored
from mainspring.store.commands.triggers import ReplayDelivery


def replay_delivery(store: Store, now_at: int, delivery: str, *, act: OperationContext) -> DeliveryStored:
    """Let a delivery arrive once more at `now_at` (ms), as a new one: its filter and its pace decide anew, and it starts a run of its own.

    Raises:
        NotFoundError: there is no such delivery, or nothing is triggered by it any more.
        ConflictError: it was turned away at the door, so its body was not kept.
    """
    command = ReplayDelivery(derive_id("d", now_at, act.command), delivery)
    taken: DeliveryStored = perform(store, act, "replay", f"delivery:{delivery}", command, {"delivery": command.id})
    return taken

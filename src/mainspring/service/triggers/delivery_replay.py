"""Acts on what arrived: let a delivery arrive once more."""

from mainspring.domain.ids import derive_id
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.results import TakenIn
from mainspring.store.commands.triggers import Replay


def replay_delivery(store: Store, now_at: int, delivery: str, *, act: OperationContext) -> TakenIn:
    """Let a delivery arrive once more at `now_at` (ms), as a new one: its filter and its pace decide anew, and it starts a run of its own.

    Raises:
        NotFoundError: there is no such delivery, or nothing is triggered by it any more.
        ConflictError: it was turned away at the door, so its body was not kept.
    """
    command = Replay(derive_id("d", now_at, act.command), delivery)
    taken: TakenIn = perform(store, act, "replay", f"delivery:{delivery}", command, {"delivery": command.id})
    return taken

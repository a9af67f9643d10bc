"""Acts on a queue: pause, resume."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import PauseQueue


def pause(store: Store, name: str, *, act: OperationContext) -> None:
    """Claim nothing from the queue until it is resumed; runs may still be put into it.

    Raises:
        NotFoundError: there is no such queue.
    """
    perform(store, act, "pause", f"queue:{name}", PauseQueue(name, True, str(act.actor), act.reason))


def resume(store: Store, name: str, *, act: OperationContext) -> None:
    """Go on with the queue.

    Raises:
        NotFoundError: there is no such queue.
    """
    perform(store, act, "resume", f"queue:{name}", PauseQueue(name, False, str(act.actor), act.reason))

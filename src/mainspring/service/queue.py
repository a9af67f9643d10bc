"""Operations on a queue: pause, resume."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import PauseQueue


def pause(store: Store, name: str, *, act: OperationContext) -> None:
    """Pause a queue: workers claim no runs from it until it is resumed; new runs can be queued.

    Raises:
        NotFoundError: there is no such queue.
    """
    perform(store, act, "pause", f"queue:{name}", PauseQueue(name, True, str(act.actor), act.reason))


def resume(store: Store, name: str, *, act: OperationContext) -> None:
    """Resume a queue.

    Raises:
        NotFoundError: there is no such queue.
    """
    perform(store, act, "resume", f"queue:{name}", PauseQueue(name, False, str(act.actor), act.reason))

"""Acts on a named lock: break."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import BreakLock


def break_lock(store: Store, name: str, *, act: OperationContext) -> None:
    """Take a lock away from whoever holds it. The next holder gets a higher fencing token; the old one may still believe in his.

    Raises:
        NotFoundError: nobody holds a lock of this name.
    """
    perform(store, act, "break", f"lock:{name}", BreakLock(name))

"""Operations on a named lock: break."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import BreakLock


def break_lock(store: Store, name: str, *, slot: int | None = None, act: OperationContext) -> None:
    """Take a lock away from its holders, or from that of one slot. The next holder gets a higher fencing token; the old one may continue
    as if it had the lock.

    Raises:
        NotFoundError: no one holds a lock of this name.
    """
    perform(store, act, "break", f"lock:{name}", BreakLock(name, slot))

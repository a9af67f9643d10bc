"""Operations on a named lock: break."""

from mainspring.domain.errors import NotFoundError
from mainspring.resources.lock_backends import LOCK_BACKENDS, SecretReader
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import BreakLock, SetMeta

LAST_BROKEN_KEY = "last_broken_lock"
"""The entry of `meta` that names the last broken lock of a backend."""


def break_lock(store: Store, name: str, *, slot: int | None = None, act: OperationContext) -> None:
    """Take a lock away from its holders, or from that of one slot. The next holder gets a higher fencing token; the old one may continue
    as if it had the lock.

    Raises:
        NotFoundError: no one holds a lock of this name.
    """
    perform(store, act, "break", f"lock:{name}", BreakLock(name, slot))


def break_backend_lock(store: Store, backend: str, name: str, *, secret: SecretReader, act: OperationContext) -> None:
    """Take a lock of a backend away from its holder. The audit log has it before it happens.

    Raises:
        NotFoundError: no one holds a lock of this name there.
        ConfigError, LockBackendError: the backend cannot be used.
    """
    perform(store, act, "break", f"lock:{backend}/{name}", SetMeta(LAST_BROKEN_KEY, f"{backend}/{name}"))
    if not LOCK_BACKENDS.break_lock(backend, name, secret):
        raise NotFoundError(
            f"lock {name!r} of backend {backend!r} is not held",
            hint=f"Held locks: mainspring locks list --backend {backend}",
        )

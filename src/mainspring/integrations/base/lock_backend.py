"""The interface of a lock backend: a server whose locks programs share that do not use Mainspring.

A lock lives in the process that runs the code, with a connection of its own. All calls block; each lock is used by one thread at a time,
except `cancel`, `is_lost` and `release`.
"""

from datetime import timedelta
from typing import ClassVar, Protocol

import msgspec

from mainspring.domain.errors import Transient
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.integrations.base.queue_address import QueueAddressParts


class LockBackendError(Transient):
    """The server of a lock backend cannot be reached, or failed."""

    code = "lock_backend_away"


class BackendHolder(msgspec.Struct, frozen=True):
    """The holder of a lock, as far as its server knows: instants in ms UTC, `until_at` = the end of its lease."""

    name: str
    owner: str
    token: int | None = None
    since_at: int | None = None
    until_at: int | None = None


class BackendLock(Protocol):
    """One lock, for one owner."""

    def acquire(self, wait_s: float) -> int | BackendHolder | None:
        """Acquire it within `wait_s` seconds; return its fencing token, or its holder after the wait, or None after a cancel.

        Raises:
            LockBackendError: the server cannot be reached.
        """
        ...

    def cancel(self) -> None:
        """End the wait of `acquire`, from another thread."""
        ...

    def is_lost(self) -> bool:
        """Whether it is known to be lost: its lease is over, or its connection has ended."""
        ...

    def release(self) -> bool:
        """Release it, if it is held, and close the connection; return False if it was lost before."""
        ...


class LockBackend(Protocol):
    """A kind of lock backend. `kind` = its name for people, `form` = an example of its address, `extra` = what installs its library."""

    kind: ClassVar[str]
    form: ClassVar[str]
    extra: ClassVar[str]

    def check_address(self, parts: QueueAddressParts) -> None:
        """Do nothing if the address is valid. Raises OptionError."""
        ...

    def open_lock(self, server: BrokerServer, name: str, owner: str, lease: timedelta) -> BackendLock:
        """Return a lock, not yet acquired. Raises ImportError without the library."""
        ...

    def list_holders(self, server: BrokerServer) -> list[BackendHolder]:
        """Return the held locks that the server can name. Raises LockBackendError."""
        ...

    def break_lock(self, server: BrokerServer, name: str) -> bool:
        """Take a lock from its holder; return False if it is not held. Raises LockBackendError."""
        ...

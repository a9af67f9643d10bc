"""The lock backends of this process, by name: `[locks]`. A child process gets the addresses of its worker.

Invariant: an address holds only names of secrets. A value is read when a lock is requested, and is part of no error and no repr.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from mainspring.domain.errors import ConfigError, UnknownNameError
from mainspring.domain.extras import install_command
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock, LockBackend
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.lock_backends import find_lock_backend

SecretReader = Callable[[str], str]
"""Returns the value of a secret."""


class LockAddress(msgspec.Struct, frozen=True):
    """The address of a backend, and the lease of its locks in seconds."""

    url: str
    lease_s: float


class LockBackends:
    """The lock backends of one process."""

    def __init__(self) -> None:
        self.addresses: dict[str, LockAddress] = {}

    def add(self, addresses: Mapping[str, LockAddress]) -> None:
        """Add or replace backends."""
        self.addresses |= addresses

    def open_lock(self, backend: str, name: str, owner: str, secret: SecretReader) -> BackendLock:
        """Return a lock of a backend, not yet acquired.

        Raises:
            ConfigError: the backend is unknown, its secret is not set, or its library is not installed.
        """
        server, kind = self._find(backend, secret), self._find_kind(backend)
        try:
            return kind.open_lock(server, name, owner, timedelta(seconds=self.addresses[backend].lease_s))
        except ModuleNotFoundError as missing:
            raise ConfigError(
                f"lock backend {backend!r} needs {missing.name}, which is not installed",
                hint=install_command(kind.extra),
            ) from missing

    def list_holders(self, backend: str, secret: SecretReader) -> list[BackendHolder]:
        """Return the held locks of a backend that its server can name. Raises ConfigError, LockBackendError."""
        return self._find_kind(backend).list_holders(self._find(backend, secret))

    def break_lock(self, backend: str, name: str, secret: SecretReader) -> bool:
        """Take a lock from its holder; return False if it is not held. Raises ConfigError, LockBackendError."""
        return self._find_kind(backend).break_lock(self._find(backend, secret), name)

    def _find_kind(self, name: str) -> LockBackend:
        if name not in self.addresses:
            unknown = UnknownNameError("lock backend", name, sorted(self.addresses))
            hint = unknown.hint or f'Name it in mainspring.toml: [locks], then {name} = "redis://HOST:6379/0".'
            raise ConfigError(unknown.message, hint=hint)
        return find_lock_backend(self.addresses[name].url.partition("://")[0])

    def _find(self, name: str, secret: SecretReader) -> BrokerServer:
        self._find_kind(name)
        return resolve_server(self.addresses[name].url.partition("?")[0], secret)


LOCK_BACKENDS = LockBackends()
"""The lock backends of this process."""

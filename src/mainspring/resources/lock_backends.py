"""The lock backends of this process, by name: `[locks]`. A child process gets the addresses of its worker.

Invariant: an address holds only names of secrets. A value is read when a lock is requested, and is part of no error and no repr.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
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
        with self._find(backend, secret) as (kind, server):
            return kind.open_lock(server, name, owner, timedelta(seconds=self.addresses[backend].lease_s))

    def list_holders(self, backend: str, secret: SecretReader) -> list[BackendHolder]:
        """Return the held locks of a backend that its server can name. Raises ConfigError, LockBackendError."""
        with self._find(backend, secret) as (kind, server):
            return kind.list_holders(server)

    def break_lock(self, backend: str, name: str, secret: SecretReader) -> bool:
        """Take a lock from its holder; return False if it is not held. Raises ConfigError, LockBackendError."""
        with self._find(backend, secret) as (kind, server):
            return kind.break_lock(server, name)

    @contextlib.contextmanager
    def _find(self, name: str, secret: SecretReader) -> Iterator[tuple[LockBackend, BrokerServer]]:
        """Find a backend and its server. Raises ConfigError, also if the block finds no library."""
        if name not in self.addresses:
            unknown = UnknownNameError("lock backend", name, sorted(self.addresses))
            hint = unknown.hint or f'Name it in mainspring.toml: [locks], then {name} = "redis://HOST:6379/0".'
            raise ConfigError(unknown.message, hint=hint)
        url = self.addresses[name].url
        kind = find_lock_backend(url.partition("://")[0])
        try:
            yield kind, resolve_server(url, secret)
        except ModuleNotFoundError as missing:
            raise ConfigError(
                f"lock backend {name!r} needs {missing.name}, which is not installed", hint=install_command(kind.extra)
            ) from missing


LOCK_BACKENDS = LockBackends()
"""The lock backends of this process."""

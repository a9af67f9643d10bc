"""The lock backends of this process, by name: `[locks]`. A child process gets the servers of its worker, secrets included.

Invariant: a secret is read when a lock is requested, and is part of no error and no repr.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from mainspring.domain.errors import ConfigError, UnknownNameError
from mainspring.domain.extras import install_command
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.lock_backends import find_lock_backend


class LockServer(msgspec.Struct, frozen=True):
    """The connection to the server of one backend, and the lease of its locks."""

    server: BrokerServer
    lease_s: float


class LockBackends:
    """The lock backends of one process."""

    def __init__(self) -> None:
        self._urls: dict[str, tuple[str, float]] = {}
        self._servers: dict[str, LockServer] = {}
        self._secret: Callable[[str], str] | None = None
        self.is_configured = False
        """Whether the settings of the project have been applied."""

    def configure(self, backends: Mapping[str, tuple[str, timedelta]], secret: Callable[[str], str]) -> None:
        """Add the backends of a project: address and lease by name."""
        self._urls |= {name: (url, lease.total_seconds()) for name, (url, lease) in backends.items()}
        self._secret = secret
        self.is_configured = True

    def add_servers(self, servers: Mapping[str, LockServer]) -> None:
        """Add the servers of the worker of this child."""
        self._servers |= servers
        self.is_configured = True

    def names(self) -> list[str]:
        """Return the known names."""
        return sorted({*self._urls, *self._servers})

    def servers(self) -> dict[str, LockServer]:
        """Return the servers whose secrets are set, for children."""
        found = dict(self._servers)
        for name in self._urls:
            try:
                found[name] = self._find(name)
            except ConfigError:
                continue  # the child reports the missing secret as an unknown backend
        return found

    def open_lock(self, backend: str, name: str, owner: str) -> BackendLock:
        """Return a lock of a backend, not yet acquired.

        Raises:
            ConfigError: the backend is unknown, its secret is not set, or its library is not installed.
        """
        found = self._find(backend)
        kind = find_lock_backend(found.server.scheme)
        try:
            return kind.open_lock(found.server, name, owner, timedelta(seconds=found.lease_s))
        except ModuleNotFoundError as missing:
            raise ConfigError(
                f"lock backend {backend!r} needs {missing.name}, which is not installed",
                hint=install_command(kind.extra),
            ) from missing

    def list_holders(self, backend: str) -> list[BackendHolder]:
        """Return the held locks of a backend that its server can name. Raises ConfigError, LockBackendError."""
        server = self._find(backend).server
        return find_lock_backend(server.scheme).list_holders(server)

    def break_lock(self, backend: str, name: str) -> bool:
        """Take a lock from its holder; return False if it is not held. Raises ConfigError, LockBackendError."""
        server = self._find(backend).server
        return find_lock_backend(server.scheme).break_lock(server, name)

    def _find(self, name: str) -> LockServer:
        if name in self._urls and self._secret is not None:
            url, lease_s = self._urls[name]
            return LockServer(resolve_server(url.partition("?")[0], self._secret), lease_s)
        if name in self._servers:
            return self._servers[name]
        unknown = UnknownNameError("lock backend", name, self.names())
        raise ConfigError(
            unknown.message,
            hint=unknown.hint or f'Name it in mainspring.toml: [locks], then {name} = "redis://HOST:6379/0".',
        )


LOCK_SERVERS = LockBackends()
"""The lock backends of this process."""

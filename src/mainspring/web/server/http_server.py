"""An HTTP server and its listening socket; signals and logs stay with the process."""

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mainspring.domain.errors import ConfigError
from mainspring.web.server.connection import ConnectionLimits

END_WITHIN_S = 3
"""The limit for open connections when the process ends."""
MOST_PORTS = 50
"""Ports that are tried instead of a default one."""
_BACKLOG = 128
_SEND_BUFFER = 64 * 1024
_ADDRESS_TAKEN = "another process uses this address (another project, or another `mainspring up`?)"


class AddressInUseError(ConfigError):
    """Another process listens at that address."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield


def build_server(app: Any, limits: ConnectionLimits, **options: Any) -> QuietServer:
    """Return a server of this application, with these limits of its connections; `options` as for uvicorn."""
    return QuietServer(
        uvicorn.Config(
            app,
            http=limits.protocol,  # type: ignore[arg-type] # called with the arguments of a protocol's class
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=END_WITHIN_S,
            **options,
        )
    )


def error_headline(error: ConfigError) -> str:
    """Return the first line of an error, for people who find the fix elsewhere."""
    return error.message.partition("\n")[0]


def open_socket(bind: str, setting: str) -> socket.socket:
    """Return a socket that listens on `host:port`. Blocking: the host may be a name.

    Raises:
        ConfigError: the address is unavailable; names the setting that chooses another one.
    """
    host, port = host_of(bind), bind.rpartition(":")[2]
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        # Accepted sockets inherit it; without it each small response waits 40 ms until the client acknowledges its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Unread data stays in this process, which then sees that it is unread, and not in the kernel.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return listener
    except OSError as error:
        is_in_use, reason = error.errno == errno.EADDRINUSE, error.strerror
    kind = AddressInUseError if is_in_use else ConfigError
    raise kind(
        f"cannot listen on {bind}: {_ADDRESS_TAKEN if is_in_use else reason}", hint=f"Choose another address: {setting}"
    )


def open_socket_at(bind: str, setting: str) -> tuple[socket.socket, str]:
    """Return a socket that listens on `host:port`, and its address; for port 0 the one that the system chose. Raises ConfigError."""
    listener = open_socket(bind, setting)
    return listener, f"{bind.rpartition(':')[0]}:{listener.getsockname()[1]}"


def open_socket_nearby(bind: str, setting: str) -> tuple[socket.socket, str]:
    """Return a socket that listens at a default address, or at the next free port if another process has it; and the address.

    Every second port is tried, because the defaults of pages and webhooks are neighbours.

    Raises:
        ConfigError: none of them is available.
    """
    host, _, port = bind.rpartition(":")
    last = int(port) + 2 * MOST_PORTS
    for candidate in range(int(port), last, 2):
        try:
            return open_socket(f"{host}:{candidate}", setting), f"{host}:{candidate}"
        except AddressInUseError:
            continue
    raise ConfigError(
        f"cannot listen on {bind}, nor on any second port up to {last - 2}: {_ADDRESS_TAKEN}",
        hint=f"Choose another address: {setting}",
    )


def host_of(bind: str) -> str:
    """Return the host of `host:port`."""
    return bind.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address; a name counts only if all its addresses are of loopback."""
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return bool(addresses) and all(
            ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in addresses
        )
    except (OSError, ValueError):
        return False

"""A listening socket, and a server on it that leaves signals and logs to its process."""

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
"""An open connection must not keep the process from ending."""
MOST_PORTS = 50
"""Ports that are tried in place of a default one."""
_BACKLOG = 128
_SEND_BUFFER = 64 * 1024
_ADDRESS_TAKEN = "another process listens there (another project, or another `mainspring up`?)"


class AddressTakenError(ConfigError):
    """Another process listens at that address."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def build_server(app: Any, limits: ConnectionLimits, **options: Any) -> QuietServer:
    """Return a server of this application, with these limits of its connections; `options` as uvicorn's."""
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
    """Return what an error says, for people who look elsewhere for the fix."""
    return error.message.partition("\n")[0]


def open_socket(bind: str, setting: str) -> socket.socket:
    """Return a socket that listens on `host:port`. Blocking: the host may be a name.

    Raises:
        ConfigError: it cannot be had; says which setting chooses another one.
    """
    host, port = host_of(bind), bind.rpartition(":")[2]
    try:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        # Accepted sockets inherit it; without it each small answer waits 40 ms for the other side to confirm its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What a client does not read lies with us, where it is seen to be unread, and not in the kernel.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return listener
    except OSError as error:
        is_taken, why = error.errno == errno.EADDRINUSE, error.strerror
    kind = AddressTakenError if is_taken else ConfigError
    raise kind(
        f"cannot listen on {bind}: {_ADDRESS_TAKEN if is_taken else why}", hint=f"Choose another address: {setting}"
    )


def open_socket_at(bind: str, setting: str) -> tuple[socket.socket, str]:
    """Return a socket that listens on `host:port`, and its address; of port 0 the one that the system chose. Raises ConfigError."""
    listener = open_socket(bind, setting)
    return listener, f"{bind.rpartition(':')[0]}:{listener.getsockname()[1]}"


def open_socket_nearby(bind: str, setting: str) -> tuple[socket.socket, str]:
    """Return a socket that listens at a default address, or at the next free port where another process has it; and the address.

    Every second port is tried: the defaults of pages and webhooks are neighbours.

    Raises:
        ConfigError: none of them can be had.
    """
    host, _, port = bind.rpartition(":")
    last = int(port) + 2 * MOST_PORTS
    for tried in range(int(port), last, 2):
        try:
            return open_socket(f"{host}:{tried}", setting), f"{host}:{tried}"
        except AddressTakenError:
            continue
    raise ConfigError(
        f"cannot listen on {bind}, nor on any second port up to {last - 2}: {_ADDRESS_TAKEN}",
        hint=f"Choose another address: {setting}",
    )


def host_of(bind: str) -> str:
    """Return the host of `host:port`."""
    return bind.rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address; a name counts only if all its addresses are of loopback."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
    except (OSError, ValueError):
        return False

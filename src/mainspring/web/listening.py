"""A listening socket, and a server on it that leaves signals and logs to its process."""

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mainspring.domain.errors import ConfigError
from mainspring.web.connection import ConnectionLimits

END_WITHIN_S = 3
"""An open connection must not keep the process from ending."""
_BACKLOG = 128
_SEND_BUFFER = 64 * 1024
_TAKEN = "another process listens there (another project, or another `mainspring up`?)"


class Server(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def server(app: Any, limits: ConnectionLimits, **options: Any) -> Server:
    """Return a server of this application, with these limits of its connections; `options` as uvicorn's."""
    return Server(
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


def listen(bind: str, setting: str) -> socket.socket:
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
        why = _TAKEN if error.errno == errno.EADDRINUSE else error.strerror
    raise ConfigError(f"cannot listen on {bind}: {why}", hint=f"Choose another address: {setting}")


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

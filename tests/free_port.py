"""A port for a server that a test starts."""

import socket


def free_port() -> int:
    """Return a port of loopback that no one uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

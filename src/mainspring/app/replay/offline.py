"""Offline mode of a process: code in it can open no network connection, and during a replay it can start no process.

The hook sees what goes through Python's own modules. Where this process may do so (root on Linux), it also leaves the network of the
machine, and then no library reaches it either.
"""

import errno
import os
import sys
from contextlib import suppress

_NETWORK = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
        "socket.sendmsg",
        "socket.sendto",
    }
)
_PROCESSES = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen"}
)
_MOST_REFUSED = 20


class OfflineMode:
    """The offline mode of this process, from `begin` to its end. `refused` = names of the refused calls, for the caller to clear."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.is_replaying = False

    def begin(self) -> None:
        """Refuse the network from now on."""
        unshare = getattr(os, "unshare", None)
        if unshare is not None:
            with suppress(OSError):  # without the permission the hook remains
                unshare(os.CLONE_NEWNET)  # type: ignore[attr-defined,unused-ignore]
        sys.addaudithook(self._refuse)

    def _refuse(self, event: str, _args: tuple[object, ...]) -> None:
        if event in _NETWORK or (self.is_replaying and event in _PROCESSES):
            if len(self.refused) < _MOST_REFUSED:
                self.refused.append(event)
            raise PermissionError(errno.EACCES, f"{event} is refused: a replay has no network and starts nothing")

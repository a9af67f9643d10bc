"""Launch spec that a supervisor passes to the processes it starts: on standard input, since everyone may read a command line.

A flag may hold the address of a server with its password. The connection stays open. On it the supervisor announces a requested stop,
and the process reports that it lost its store, so that neither is mistaken for an effect of user code.
"""

import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainspring.app.project import Project
from mainspring.domain.processes.crash_blame import CRASH_LIMIT

_SPEC_END, _STOP_MESSAGE, _STORE_LOST_MESSAGE = b"\n", b"end", b"lost"
_STORE_LOST_EXIT_CODE = 75
"""Exit code: restart, if a supervisor is there."""


class LaunchSpec(msgspec.Struct, frozen=True):
    """Flags of the configuration, modules to load, and the role of the process."""

    flags: dict[str, Any]
    config: str | None
    modules: tuple[str, ...]
    role: str = "worker"
    survive_ms: int = 2_000
    crash_limit: int = CRASH_LIMIT
    """How many unrequested drains on probation quarantine a run."""
    parent: int = 0
    """The supervisor's process number."""

    def project(self) -> Project:
        """Read the settings again, with the same flags."""
        return Project.find(flags=self.flags, config=None if self.config is None else Path(self.config))

    def start(self, command: Sequence[str], **options: Any) -> "tuple[subprocess.Popen[bytes], ProcessLine]":
        """Start a process with this specification. Return it, and the connection to it."""
        own_end, child_end = socket.socketpair()
        with child_end:
            process = subprocess.Popen(command, stdin=child_end.fileno(), **options)
        with contextlib.suppress(OSError):  # it has ended: its exit code says so
            own_end.sendall(msgspec.json.encode(self) + _SPEC_END)
        return process, ProcessLine(own_end)


class ProcessLine:
    """A supervisor's end of the line to one process."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)

    def request_stop(self) -> None:
        """Announce that the signal that follows was sent on purpose."""
        with contextlib.suppress(OSError):
            self._line.send(_STOP_MESSAGE)

    def close(self) -> bool:
        """Close the connection to a process that has ended. Return whether it reported that it lost its store or its session."""
        with self._line:
            try:
                return self._line.recv(len(_STORE_LOST_MESSAGE)) == _STORE_LOST_MESSAGE
            except OSError:
                return False


class SupervisorLine:
    """A process's end of the line to its supervisor."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)

    def is_stop_requested(self) -> bool:
        """Return whether the supervisor requested the stop, or is gone itself."""
        try:
            self._line.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def report_lost_store(self) -> None:
        """Report that this process ends because its store or its session is lost."""
        with contextlib.suppress(OSError):
            self._line.send(_STORE_LOST_MESSAGE)


def receive_launch_spec() -> tuple[LaunchSpec, SupervisorLine]:
    """Return this process's specification and the connection to its supervisor. Its children find an empty standard input.

    Raises:
        SystemExit: the supervisor died before the specification was complete.
        msgspec.DecodeError: no supervisor of Mainspring started this process.
    """
    line = socket.socket(fileno=os.dup(0))
    data = b""
    while not data.endswith(_SPEC_END):
        part = line.recv(65_536, socket.MSG_PEEK)
        if not part:
            raise SystemExit(_STORE_LOST_EXIT_CODE)
        data += line.recv(part.find(_SPEC_END) + 1 or len(part))  # what follows is for later
    spec = msgspec.json.decode(data, type=LaunchSpec)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return spec, SupervisorLine(line)

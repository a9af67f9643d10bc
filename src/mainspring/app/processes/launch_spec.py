"""What a supervisor hands to the processes that it starts: on their standard input, for anybody may read a command line.

A flag may hold the address of a server with its password. The line stays open: over it the supervisor says that it asks for the end, and
the process that it lost its store, so that neither is mistaken for what code of users did.
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
"""Exit code: start again, if anybody is there to do so."""


class LaunchSpec(msgspec.Struct, frozen=True):
    """Flags of the configuration, what to load, and what to be."""

    flags: dict[str, Any]
    config: str | None
    modules: tuple[str, ...]
    role: str = "worker"
    survive_ms: int = 2_000
    crash_limit: int = CRASH_LIMIT
    """How many drains on probation that no one asked for set a run apart."""
    parent: int = 0
    """The supervisor's process number."""

    def project(self) -> Project:
        """Read the settings again, with the same flags."""
        return Project.find(flags=self.flags, config=None if self.config is None else Path(self.config))

    def start(self, command: Sequence[str], **how: Any) -> "tuple[subprocess.Popen[bytes], ProcessLine]":
        """Start a process that takes this over; return it, and the line to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(command, stdin=theirs.fileno(), **how)
        with contextlib.suppress(OSError):  # it has ended: its exit code says so
            ours.sendall(msgspec.json.encode(self) + _SPEC_END)
        return process, ProcessLine(ours)


class ProcessLine:
    """A supervisor's end of the line to one process."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)

    def ask_for_end(self) -> None:
        """Say that the signal which follows was sent on purpose."""
        with contextlib.suppress(OSError):
            self._line.send(_STOP_MESSAGE)

    def close(self) -> bool:
        """Close the line to a process that has ended; return whether it said that it lost its store or its session."""
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

    def is_end_asked_for(self) -> bool:
        """Tell whether the supervisor asked for the end, or is gone itself."""
        try:
            self._line.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def say_lost(self) -> None:
        """Say that this process ends because its store or its session is lost."""
        with contextlib.suppress(OSError):
            self._line.send(_STORE_LOST_MESSAGE)


def receive_launch_spec() -> tuple[LaunchSpec, SupervisorLine]:
    """Return what was handed to this process, and the line to who did; what it starts finds nothing more on the standard input.

    Raises:
        SystemExit: the supervisor died before it said all.
        msgspec.DecodeError: whoever started it was no supervisor of ours.
    """
    line = socket.socket(fileno=os.dup(0))
    data = b""
    while not data.endswith(_SPEC_END):
        part = line.recv(65_536, socket.MSG_PEEK)
        if not part:
            raise SystemExit(_STORE_LOST_EXIT_CODE)
        data += line.recv(part.find(_SPEC_END) + 1 or len(part))  # what follows is for later
    handover = msgspec.json.decode(data, type=LaunchSpec)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return handover, SupervisorLine(line)

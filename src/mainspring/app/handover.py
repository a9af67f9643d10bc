"""What a supervisor hands to the processes that it starts: on their standard input, for anybody may read a command line.

A flag may hold the address of a server with its password.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainspring.app.project import Project

_GONE = 75
"""Exit code: start again, if anybody is there to do so."""


class Handover(msgspec.Struct, frozen=True):
    """Flags of the configuration, what to load, and what to be."""

    flags: dict[str, Any]
    config: str | None
    modules: tuple[str, ...]
    role: str = "worker"
    survive_ms: int = 2_000
    parent: int = 0
    """The supervisor's process number."""

    def project(self) -> Project:
        """Read the settings again, with the same flags."""
        return Project.find(flags=self.flags, config=None if self.config is None else Path(self.config))

    def start(self, command: Sequence[str], **how: Any) -> "subprocess.Popen[bytes]":
        """Start a process that takes this over."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, **how)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as line:  # it has ended: its exit code says so
            line.write(msgspec.json.encode(self))
        return process


def take_over() -> Handover:
    """Return what was handed to this process; what it starts finds nothing more on the standard input.

    Raises:
        SystemExit: the supervisor died before it said anything.
        msgspec.DecodeError: whoever started it was no supervisor of ours.
    """
    data = sys.stdin.buffer.read()
    if not data:
        raise SystemExit(_GONE)
    handover = msgspec.json.decode(data, type=Handover)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return handover

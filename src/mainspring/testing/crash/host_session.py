"""A host session: one host process of a crash test, which lives the cases that this process orders."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from mainspring.app.replay.replay_protocol import MessageChannel
from mainspring.domain.errors import MainspringError
from mainspring.engine.attempts.processes.process_lifetime import kill_group
from mainspring.testing.crash.crash_protocol import CaseOrder, CaseReport, CrashPlan, HostReady

_MODULE = "mainspring.testing.crash_host.crash_host"
_LAST_OUTPUT = 2_000


class CrashTestError(MainspringError):
    """A crash test cannot be made: the message says why, and what to do."""

    code = "crash_test_impossible"


class HostSession:
    """A context with one host process.

    Raises (on entering):
        CrashTestError: the code cannot be loaded, or cannot be forked.
    """

    def __init__(self, plan: CrashPlan) -> None:
        self._plan = replace(plan, parent=os.getpid())
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: MessageChannel | None = None

    def __enter__(self) -> Self:
        own_end, host_end = socket.socketpair()
        with host_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=host_end.fileno(),
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        self._channel = MessageChannel(own_end)
        try:
            self._channel.send(self._plan)
            ready = self._channel.receive(HostReady)
        except (OSError, EOFError):
            output = self._read_output()
            self.__exit__(None, None, None)
            raise CrashTestError(f"the code ended the process that loads it\n{output}") from None
        if ready.error:
            self.__exit__(None, None, None)
            raise CrashTestError(f"no crash test of {self._plan.automation!r}: {ready.error}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            kill_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()

    def live(self, order: CaseOrder) -> CaseReport:
        """Live a case. Raises CrashTestError: the host process has ended."""
        assert self._channel is not None
        try:
            self._channel.send(order)
            return self._channel.receive(CaseReport)
        except (OSError, EOFError):
            raise CrashTestError(f"the process of a crash test ended\n{self._read_output()}") from None

    def _read_output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-_LAST_OUTPUT:]

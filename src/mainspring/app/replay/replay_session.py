"""Session of replays: one replay process, started again after code that hangs or ends it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

import msgspec

from mainspring.app.replay.replay_protocol import (
    CodeBlockedError,
    LoadedCode,
    MessageChannel,
    ReplayReport,
    ReplaySpec,
    TracedReplay,
)
from mainspring.domain.errors import MainspringError
from mainspring.engine.attempts.processes.process_lifetime import kill_group
from mainspring.engine.driver.replay import SavedRun

M = TypeVar("M", bound=msgspec.Struct)
_MODULE = "mainspring.app.replay.replay_process"
_STDERR_BYTES, _PART, _READ_LIMIT_S = 2_000, 64 * 1024, 1.0
_GRACE_S = 1.0
"""The process itself reports code that hangs. It cannot if the code blocks all of its threads."""


class ReplayAbortedError(MainspringError):
    """The code hangs, or ended the replay process. `is_blocked` = it hangs, `place` = the line at which it did, "" if it is unknown."""

    code = "replay_aborted"
    is_blocked = False
    place = ""


class ReplaySession:
    """A context in which runs are replayed. `limit_s` = seconds for one run, `load_limit_s` = for loading the code.

    `hash_seed` = that of the process: 0 as in a worker.

    Raises (on entering):
        ReplayAbortedError: the code cannot be loaded: it hangs, or ends the process.
    """

    def __init__(self, spec: ReplaySpec, *, limit_s: float, load_limit_s: float, hash_seed: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mainspring-")
        # The code finds no store: an automation that opens one by itself must not write to that of the runs.
        nowhere = str(Path(self._folder.name) / "replay.db")
        self._env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "MAINSPRING_STORE_URL": nowhere}
        flags = {**spec.flags, "store.url": nowhere}
        self._spec = msgspec.structs.replace(
            spec, flags=flags, parent=os.getpid(), limit_s=limit_s, load_limit_s=load_limit_s
        )
        self._limit_s, self._load_limit_s = limit_s, load_limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: MessageChannel | None = None
        self._stderr: _LastOutput | None = None

    def __enter__(self) -> Self:
        try:
            self.code = self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def replay(self, saved: SavedRun) -> ReplayReport:
        """Replay one run.

        Raises:
            ReplayAbortedError: its code hangs, or ended the process; the next run gets another process.
        """
        return self._replay(saved, ReplayReport)

    def replay_journal(self, saved: SavedRun) -> TracedReplay:
        """Replay one run for a test, in a session whose `spec` is traced. Raises as `replay`."""
        return self._replay(saved, TracedReplay)

    def _replay(self, saved: SavedRun, kind: type[M]) -> M:
        if self._channel is None:
            self._start()
        return self._exchange(saved, kind, self._limit_s, "the code does not come to rest")

    def close(self) -> None:
        """End the process and delete its folder."""
        self._end()
        self._folder.cleanup()

    def _start(self) -> LoadedCode:
        own_end, child_end = socket.socketpair()
        with child_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=child_end.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._env,
                start_new_session=True,
            )
        assert self._process.stderr is not None
        self._stderr = _LastOutput(self._process.stderr)
        self._channel = MessageChannel(own_end)
        return self._exchange(self._spec, LoadedCode, self._load_limit_s, "the code does not finish loading")

    def _exchange(self, message: msgspec.Struct, kind: type[M], limit_s: float, description: str) -> M:
        assert self._channel is not None
        try:
            self._channel.send(message, limit_s)
            return self._channel.receive(kind, limit_s + _GRACE_S)
        except (TimeoutError, CodeBlockedError) as blocked:
            self._end()
            place = blocked.place if isinstance(blocked, CodeBlockedError) else ""
            error = ReplayAbortedError(
                f"{description} within {limit_s:g} s{f': {place}' if place else ''}",
                hint="Look for a loop that awaits nothing, or a call that blocks.",
            )
            error.is_blocked, error.place = True, place
            raise error from None
        except (OSError, EOFError, msgspec.MsgspecError):
            raise ReplayAbortedError(f"the code ended its process: {self._end()}") from None

    def _end(self) -> str:
        """Kill the process and what it started. Return how it ended, with the last line that it wrote."""
        process, self._process = self._process, None
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if process is None:
            return "not started"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)  # one that is ending by itself reports its own exit code
        kill_group(process.pid, signal.SIGKILL)
        code = process.wait()
        last_line = "" if self._stderr is None else self._stderr.read_line()
        return f"exit code {code}{last_line}"


class _LastOutput:
    """The last bytes of an error output, read by a thread: code may write without end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._bytes = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while part := os.read(self._stream.fileno(), _PART):
                self._bytes = (self._bytes + part)[-_STDERR_BYTES:]

    def read_line(self) -> str:
        """Return the last line, after the end of the process."""
        self._thread.join(_READ_LIMIT_S)  # what the process started may have the pipe, too
        lines = self._bytes.decode(errors="replace").strip().splitlines()
        return f", {lines[-1]}" if lines else ""

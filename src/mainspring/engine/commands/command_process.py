"""Running one command to its end: the synchronous core that scripts and `exec` share.

Role: starts the command in a process group of its own, reads what it prints, ends it on time. No asyncio, no store.
Invariants: no shell reads the words. On Linux the command dies with the process that started it: a small Python program asks
the kernel for that and then becomes the command, since code between fork and exec is not safe beside threads. It waits for a word
before: the command begins only when `on_group` has returned, so that whoever takes over knows its group. On a time-out or
`stop` the whole group is told to end, then killed.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from mainspring.engine.attempts.logs.line_splitter import LineSplitter
from mainspring.engine.attempts.process_exit import has_ended, open_exit_descriptor
from mainspring.engine.attempts.processes.process_lifetime import kill_group, read_start_mark
from mainspring.engine.attempts.processes.process_tree import describe_process_tree
from mainspring.engine.commands.command import NOT_EXECUTABLE, CommandEnd, CommandFailed, CommandSpec
from mainspring.engine.commands.exec_shim import EXEC_SHIM
from mainspring.engine.commands.output_tail import OutputTail
from mainspring.engine.commands.stream_forwarder import StreamForwarder

_CHUNK = 64 * 1024
_MAX_PIECES = 8
_UNREAD_TIMEOUT_S = 1.0


class CommandProcess:
    """One command; `run` blocks until it ended, `stop` and `forward` may be called from any thread or signal handler."""

    def __init__(
        self,
        command: CommandSpec,
        *,
        on_line: Callable[[str, str], None] | None = None,
        on_data: Callable[[str, bytes], None] | None = None,
        on_group: Callable[[int, str, bool], None] | None = None,
        outlets: Mapping[str, StreamForwarder] | None = None,
    ) -> None:
        """`on_line(stream, text)` gets each line, `on_data(stream, data)` each piece; `on_group(pgid, started, ended)` hears of the group.

        `outlets` by the names stdout and stderr: the output is passed on there as well.
        """
        self._command = command
        self._on_line = on_line
        self._on_data = on_data
        self._on_group = on_group
        self._outlets = outlets or {}
        self._paused: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._is_late = False
        self._is_signalled = False
        self._kill_at: float | None = None
        self._tail = OutputTail()
        self._printed = 0
        self._cutters = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._wake_read, self._wake_write = os.pipe()
        self._word_write = -1
        self._lock = threading.RLock()  # guards the wake pipe; a signal handler may come in between

    def run(self) -> CommandEnd:
        """Run it to its end.

        Raises:
            CommandFailed: it cannot be started (no such folder, too many words).
        """
        began = time.monotonic()
        try:
            process = self._process = self._spawn()
            try:
                mark = read_start_mark(process.pid)
                self._tell_group(process.pid, mark, ended=False)
                self._give_word()
                self._watch(process, began)
            finally:
                self._end(process)
            self._tell_group(process.pid, mark, ended=True)
            took = time.monotonic() - began
            self._deliver()
        finally:
            self._drop_word()
            with self._lock:
                wake_write, self._wake_write = self._wake_write, -1
                os.close(wake_write)
                os.close(self._wake_read)
        return CommandEnd(
            code=process.returncode,
            timed_out=self._is_late,
            stopped=self._is_stopped,
            tail=self._tail.text(),
            took_us=int(took * 1_000_000),
            printed=self._printed,
            lost=self._outlets["stdout"].fault if "stdout" in self._outlets else None,
        )

    def stop(self) -> None:
        """Have the command and its group end; `run` returns when it did."""
        self._is_stopped = True
        self._wake()

    def forward(self, number: int) -> None:
        """Send a signal to the command's group."""
        process = self._process
        if process is not None and process.returncode is None:
            kill_group(process.pid, number)
        self._is_signalled = True
        self._wake()

    def processes(self) -> list[str]:
        """Return what its processes do, as `describe_process_tree`; empty before they began."""
        return describe_process_tree(self._process.pid) if self._process is not None else []

    def _wake(self) -> None:
        with self._lock:
            if self._wake_write >= 0:
                os.write(self._wake_write, b"!")

    def _give_word(self) -> None:
        """Let the command begin, unless it was told to stop before."""
        if not self._is_stopped:
            with contextlib.suppress(BrokenPipeError):  # somebody killed it: its exit code says so
                os.write(self._word_write, b"!")
        self._drop_word()

    def _drop_word(self) -> None:
        word_write, self._word_write = self._word_write, -1
        if word_write >= 0:
            os.close(word_write)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = self._command
        locale = "given" if "LC_CTYPE" in (os.environ if command.env is None else command.env) else "none"
        word, self._word_write = os.pipe()
        given = _open_stdin(command)
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", EXEC_SHIM, str(os.getpid()), locale, str(word), *command.words],
                cwd=command.cwd,
                env=command.env,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(word, *command.pass_fds),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise CommandFailed(f"cannot start {command.words[0]!r}: {error}", NOT_EXECUTABLE) from error
        finally:
            os.close(word)
            if given is not None and given != subprocess.DEVNULL:
                os.close(given)

    def _watch(self, process: subprocess.Popen[bytes], began: float) -> None:
        """Read and wait until the process itself has ended; what it left running may keep the pipes."""
        with selectors.DefaultSelector() as selector, open_exit_descriptor(process) as exit_fd:
            selector.register(self._wake_read, selectors.EVENT_READ)
            if exit_fd is not None:
                selector.register(exit_fd, selectors.EVENT_READ)
            for name, stream in _open_pipes(process):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream.fileno(), selectors.EVENT_READ, name)
            while not has_ended(process):
                for key, _ in selector.select(self._patience(began, has_exit_fd=exit_fd is not None)):
                    if key.data is not None:
                        self._take(selector, key.data, key.fd)
                    elif key.fd == self._wake_read:
                        os.read(self._wake_read, _CHUNK)
                for name in [name for name in self._paused if not self._outlets[name].is_full]:
                    selector.register(self._paused.pop(name), selectors.EVENT_READ, name)
                self._close_unread(selector, process)
                self._enforce(process, began)

    def _take(self, selector: selectors.BaseSelector, name: str, pipe: int) -> None:
        """Read one piece; read no further where it ended, and while it cannot be passed on."""
        data = self._read(name, pipe)
        if data == b"":
            selector.unregister(pipe)
        elif name in self._outlets and self._outlets[name].is_full:
            selector.unregister(pipe)
            self._paused[name] = pipe

    def _close_unread(self, selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
        """Close what the command writes to a stream of ours whose reader has gone: it gets SIGPIPE, as it would without us."""
        for name, stream in _open_pipes(process):
            if name in self._outlets and self._outlets[name].has_no_reader:
                self._paused.pop(name, None)
                if stream.fileno() in selector.get_map():
                    selector.unregister(stream)
                stream.close()

    def _deliver(self) -> None:
        """Wait until what was printed is passed on; once the command had to end before its time, only briefly."""
        until: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not all(outlet.is_empty for outlet in self._outlets.values()):
                now = time.monotonic()
                if until is None and (self._kill_at is not None or self._is_stopped or self._is_signalled):
                    until = now + _UNREAD_TIMEOUT_S
                if until is not None and now >= until:
                    break
                if selector.select(None if until is None else until - now):
                    os.read(self._wake_read, _CHUNK)
        for outlet in self._outlets.values():
            outlet.drop()

    def _patience(self, began: float, *, has_exit_fd: bool) -> float | None:
        """Return how long to wait for output at most."""
        ends = [] if has_exit_fd else [time.monotonic() + 0.02]
        if self._kill_at is not None:
            ends.append(self._kill_at)
        elif self._command.timeout is not None:
            ends.append(began + self._command.timeout.total_seconds())
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _enforce(self, process: subprocess.Popen[bytes], began: float) -> None:
        """Ask the group to end when its time is up or we were told to stop; then kill it."""
        now, timeout = time.monotonic(), self._command.timeout
        if self._kill_at is not None:
            if now >= self._kill_at:
                kill_group(process.pid, signal.SIGKILL)
                self._kill_at = now + 1
            return
        is_late = timeout is not None and now - began >= timeout.total_seconds()
        if is_late or self._is_stopped:
            self._is_late = is_late and not self._is_stopped
            kill_group(process.pid, signal.SIGTERM)
            self._kill_at = now + self._command.kill_after

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Reap; after a stop (or an error of ours) kill what is left of the group first, while its number is surely ours."""
        if self._kill_at is not None or not has_ended(process):
            kill_group(process.pid, signal.SIGKILL)
        process.wait()
        for name, stream in _open_pipes(process):
            for _ in range(_MAX_PIECES):
                if not self._read(name, stream.fileno()):
                    break
            stream.close()
        for name, cutter in self._cutters.items():
            self._tell_lines(name, cutter.end())

    def _read(self, name: str, descriptor: int) -> bytes | None:
        """Take one piece of output; b"" at its end, None if there is nothing now."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None
        self._tail.feed(data)
        if name == "stdout":
            self._printed += len(data)
        if data and name in self._outlets:
            self._outlets[name].write(data, self._wake)
        if data and self._on_data is not None:
            self._on_data(name, data)
        if self._on_line is not None:
            self._tell_lines(name, self._cutters[name].feed(data))
        return data

    def _tell_lines(self, name: str, texts: list[str]) -> None:
        if self._on_line is not None:
            for text in texts:
                self._on_line(name, text)

    def _tell_group(self, pgid: int, mark: str, *, ended: bool) -> None:
        if self._on_group is not None:
            self._on_group(pgid, mark, ended)


def _open_pipes(process: subprocess.Popen[bytes]) -> list[tuple[str, IO[bytes]]]:
    """Return the open pipes of a command by name."""
    pairs = (("stdout", process.stdout), ("stderr", process.stderr))
    return [(name, stream) for name, stream in pairs if stream is not None and not stream.closed]


def _open_stdin(command: CommandSpec) -> int | None:
    """Return what the command has for its standard input: a descriptor to close afterwards, DEVNULL, or None for ours.

    A file without a name, for a pipe would keep a command waiting that reads nothing.
    """
    if command.stdin is None:
        return None if command.has_stdin else subprocess.DEVNULL
    with tempfile.TemporaryFile() as file:
        file.write(command.stdin)
        file.flush()
        file.seek(0)
        return os.dup(file.fileno())

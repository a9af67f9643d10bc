"""The process of one command, run to its end: the synchronous core that scripts and `exec` share.

Role: starts the command in its own process group, reads its output, ends it on time. No asyncio, no store.
Invariants: no shell parses the words. On Linux the command dies with the process that started it: a small Python program requests
that from the kernel and then becomes the command, because code between fork and exec is not safe in a process with threads. It waits
for a go byte first: the command starts only after `on_group` has returned, so that a takeover knows its group. It reports whether
it became the command, so that an exit code of 126 or 127 proves nothing by itself. On a time-out or `stop` the whole group gets
SIGTERM, then SIGKILL. Output is a sign of life: a command with a heartbeat that writes none for that long is ended like one that timed out.
"""

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from mainspring.domain.text.escaping import decode_bytes
from mainspring.engine.attempts.logs.line_splitter import LineSplitter
from mainspring.engine.attempts.process_exit import has_ended, open_exit_descriptor
from mainspring.engine.attempts.processes.process_lifetime import kill_group, read_start_mark
from mainspring.engine.attempts.processes.process_tree import describe_process_tree
from mainspring.engine.commands.command import NOT_EXECUTABLE, NOT_FOUND, CommandEnd, CommandFailed, CommandSpec
from mainspring.engine.commands.stream_forwarder import StreamForwarder

_CHUNK = 64 * 1024
_MAX_CHUNKS = 8
_UNREAD_TIMEOUT_S = 1.0

TAIL_BYTES = 64 * 1024

_START_REPORT = b"s"
"""The whole report of a start; another byte follows if the command cannot be run."""

# PR_SET_PDEATHSIG (unless the parent is 0), wait for the go byte, then become the command. Python ignores two signals that commands rely
# on, and without a locale it sets one that the command should not get.
EXEC_SHIM = f"""
import ctypes, errno, os, signal, sys
parent, locale, word, report, words = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
if locale == "none":
    os.environ.pop("LC_CTYPE", None)
if parent and sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
if not os.read(word, 1):  # stopped before the start: the exit code is that of a stop, however far this process came
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(1)
os.close(word)
os.set_inheritable(report, False)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
os.write(report, b"{_START_REPORT.decode()}")
try:
    os.execvp(words[0], words)
except OSError as error:
    os.write(report, b"f")
    code = {NOT_FOUND} if isinstance(error, FileNotFoundError) else {NOT_EXECUTABLE}
    why = error.strerror
    if error.errno == errno.ENOEXEC:
        why = "it has no first line that names its program; add one, such as #!/bin/sh, or write the program before it: sh FILE"
    elif isinstance(error, PermissionError) and os.path.isfile(words[0]) and not os.access(words[0], os.X_OK):
        why = "it may not be executed; run: chmod +x FILE, or write the program before it: sh FILE"
    first = b""
    if isinstance(error, FileNotFoundError) and os.path.isfile(words[0]) and os.access(words[0], os.R_OK):
        with open(words[0], "rb") as file:
            first = file.readline(200).rstrip(b"\\n")
    if first.startswith(b"#!"):  # the file is there: what is not there is the program that it asks for
        asks = first[2:].decode("utf-8", "backslashreplace").strip()
        why = f"there is no {{asks!r}}, which its first line asks for"
        if first.endswith(b"\\r"):
            why = "its first line ends in CR, as on Windows; write it with Unix line ends: sed -i 's/\\\\r$//' FILE"
    try:
        os.write(2, f"mainspring: cannot run {{words[0]!r}}: {{why}}\\n".encode("utf-8", "surrogateescape"))
    finally:  # also if no one can read why
        os._exit(code)
"""


class OutputTail:
    """Collects output; keeps at most twice the bytes that it returns."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add the next output."""
        self._data += data
        if len(self._data) > 2 * TAIL_BYTES:
            del self._data[: -TAIL_BYTES - 1]  # one more than is returned, so that a cut is detected

    def text(self) -> str:
        """Return the last `TAIL_BYTES` as printable text of at most as many characters, from the start of a line if cut."""
        text = decode_bytes(bytes(self._data[-TAIL_BYTES:]))
        if len(self._data) <= TAIL_BYTES and len(text) <= TAIL_BYTES:
            return text
        text = text[-TAIL_BYTES:]
        _, newline, rest = text.partition("\n")
        return rest if newline and rest else text


class CommandProcess:
    """Runs one command; `run` blocks until it has ended, `stop` and `forward` may be called from any thread or signal handler."""

    def __init__(
        self,
        command: CommandSpec,
        *,
        on_line: Callable[[str, str], None] | None = None,
        on_data: Callable[[str, bytes], None] | None = None,
        on_group: Callable[[int, str, bool], None] | None = None,
        forwarders: Mapping[str, StreamForwarder] | None = None,
    ) -> None:
        """`on_line(stream, text)` gets each line, `on_data(stream, data)` each chunk, `on_group(pgid, started, ended)` the process group.

        `forwarders` by the names stdout and stderr: the output is also written there.
        """
        self._command = command
        self._on_line = on_line
        self._on_data = on_data
        self._on_group = on_group
        self._forwarders = forwarders or {}
        self._paused: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._is_late = False
        self._output_at = 0.0
        """When the command started, or wrote last."""
        self._silent_since: float | None = None
        """When it wrote last, if its heartbeat ended it."""
        self._is_signalled = False
        self._kill_at: float | None = None
        self._tail = OutputTail()
        self._printed = 0
        self._splitters = {"stdout": LineSplitter(), "stderr": LineSplitter()}
        self._wake_read, self._wake_write = os.pipe()
        self._go_write = self._report_read = -1
        self._lock = threading.RLock()  # guards the wake pipe; a signal handler may interrupt

    def run(self) -> CommandEnd:
        """Run the command to its end.

        Raises:
            CommandFailed: it cannot be started (missing folder, too many words).
        """
        started = time.monotonic()
        try:
            process = self._process = self._spawn()
            try:
                mark = read_start_mark(process.pid)
                self._report_group(process.pid, mark, ended=False)
                self._send_go()
                self._output_at = time.monotonic()
                self._watch(process, started)
            finally:
                self._end(process)
            self._report_group(process.pid, mark, ended=True)
            duration_s = time.monotonic() - started
            has_started = os.read(self._report_read, len(_START_REPORT) + 1) == _START_REPORT
            self._finish_forwarding()
        finally:
            self._close_go()
            if self._report_read >= 0:
                os.close(self._report_read)
            with self._lock:
                wake_write, self._wake_write = self._wake_write, -1
                os.close(wake_write)
                os.close(self._wake_read)
        return CommandEnd(
            code=process.returncode,
            timed_out=self._is_late,
            stopped=self._is_stopped,
            tail=self._tail.text(),
            duration_us=int(duration_s * 1_000_000),
            printed=self._printed,
            lost=self._forwarders["stdout"].fault if "stdout" in self._forwarders else None,
            has_started=has_started,
            silent_since_us=None if self._silent_since is None else int((self._silent_since - started) * 1_000_000),
        )

    def stop(self) -> None:
        """End the command and its group; `run` returns when they have ended."""
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
        """Return the states of its processes, as `describe_process_tree`; empty before the start."""
        return describe_process_tree(self._process.pid) if self._process is not None else []

    def _wake(self) -> None:
        with self._lock:
            if self._wake_write >= 0:
                os.write(self._wake_write, b"!")

    def _send_go(self) -> None:
        """Let the command start, unless it was stopped before."""
        if not self._is_stopped:
            with contextlib.suppress(BrokenPipeError):  # it was killed: its exit code shows it
                os.write(self._go_write, b"!")
        self._close_go()

    def _close_go(self) -> None:
        go_write, self._go_write = self._go_write, -1
        if go_write >= 0:
            os.close(go_write)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = self._command
        locale = "given" if "LC_CTYPE" in (os.environ if command.env is None else command.env) else "none"
        parent = 0 if command.may_outlive_parent else os.getpid()
        output = None if command.inherits_output else subprocess.PIPE
        go_read, self._go_write = os.pipe()
        self._report_read, report_write = os.pipe()
        stdin = _open_stdin(command)
        shim_words = [str(parent), locale, str(go_read), str(report_write)]
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", EXEC_SHIM, *shim_words, *command.words],
                cwd=command.cwd,
                env=command.env,
                stdin=stdin,
                stdout=output,
                stderr=output,
                pass_fds=(go_read, report_write, *command.pass_fds),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _make_start_error(command, error) from error
        finally:
            os.close(go_read)
            os.close(report_write)
            if stdin is not None and stdin != subprocess.DEVNULL:
                os.close(stdin)

    def _watch(self, process: subprocess.Popen[bytes], started: float) -> None:
        """Read and wait until the process itself has ended; its remaining children may keep the pipes."""
        with selectors.DefaultSelector() as selector, open_exit_descriptor(process) as exit_fd:
            selector.register(self._wake_read, selectors.EVENT_READ)
            if exit_fd is not None:
                selector.register(exit_fd, selectors.EVENT_READ)
            for name, stream in _open_pipes(process):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream.fileno(), selectors.EVENT_READ, name)
            while not has_ended(process):
                for key, _ in selector.select(self._next_timeout_s(started, has_exit_fd=exit_fd is not None)):
                    if key.data is not None:
                        self._read_chunk(selector, key.data, key.fd)
                    elif key.fd == self._wake_read:
                        os.read(self._wake_read, _CHUNK)
                for name in [name for name in self._paused if not self._forwarders[name].is_full]:
                    selector.register(self._paused.pop(name), selectors.EVENT_READ, name)
                self._close_unread(selector, process)
                if self._paused:  # it cannot write while the reader of its output is slow
                    self._output_at = time.monotonic()
                self._enforce(process, started)

    def _read_chunk(self, selector: selectors.BaseSelector, name: str, pipe: int) -> None:
        """Read one chunk; stop reading at the end, and while it cannot be forwarded."""
        data = self._read(name, pipe)
        if data == b"":
            selector.unregister(pipe)
        elif name in self._forwarders and self._forwarders[name].is_full:
            selector.unregister(pipe)
            self._paused[name] = pipe

    def _close_unread(self, selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
        """Close a pipe if the reader of its forwarder has closed: the command gets SIGPIPE, as without Mainspring."""
        for name, stream in _open_pipes(process):
            if name in self._forwarders and self._forwarders[name].has_no_reader:
                self._paused.pop(name, None)
                if stream.fileno() in selector.get_map():
                    selector.unregister(stream)
                stream.close()

    def _finish_forwarding(self) -> None:
        """Wait until all output is forwarded; only briefly if the command was stopped early."""
        until: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not all(forwarder.is_empty for forwarder in self._forwarders.values()):
                now = time.monotonic()
                if until is None and (self._kill_at is not None or self._is_stopped or self._is_signalled):
                    until = now + _UNREAD_TIMEOUT_S
                if until is not None and now >= until:
                    break
                if selector.select(None if until is None else until - now):
                    os.read(self._wake_read, _CHUNK)
        for forwarder in self._forwarders.values():
            forwarder.drop()

    def _next_timeout_s(self, started: float, *, has_exit_fd: bool) -> float | None:
        """Return how long to wait for output, in seconds; None = without limit."""
        ends = [] if has_exit_fd else [time.monotonic() + 0.02]
        if self._kill_at is not None:
            ends.append(self._kill_at)
        else:
            ends += self._limits(started).values()
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _limits(self, started: float) -> dict[str, float]:
        """Return when its time-out and its heartbeat are over, by the names of the options."""
        limits = {"timeout": (started, self._command.timeout), "heartbeat": (self._output_at, self._command.heartbeat)}
        return {name: begin + span.total_seconds() for name, (begin, span) in limits.items() if span is not None}

    def _enforce(self, process: subprocess.Popen[bytes], started: float) -> None:
        """Send SIGTERM to the group after its time-out or `stop`, then SIGKILL."""
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                kill_group(process.pid, signal.SIGKILL)
                self._kill_at = now + 1
            return
        exceeded = [name for name, end in self._limits(started).items() if now >= end]
        if exceeded or self._is_stopped:
            self._is_late = not self._is_stopped
            self._silent_since = self._output_at if self._is_late and exceeded == ["heartbeat"] else None
            kill_group(process.pid, signal.SIGTERM)
            self._kill_at = now + self._command.kill_after

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Reap; after a stop (or an error here) kill the rest of the group first, while its id cannot belong to another group."""
        if self._kill_at is not None or not has_ended(process):
            kill_group(process.pid, signal.SIGKILL)
        process.wait()
        for name, stream in _open_pipes(process):
            for _ in range(_MAX_CHUNKS):
                if not self._read(name, stream.fileno()):
                    break
            stream.close()
        for name, splitter in self._splitters.items():
            self._report_lines(name, splitter.end())

    def _read(self, name: str, descriptor: int) -> bytes | None:
        """Read one chunk of output; b"" at its end, None if there is none now."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None
        self._tail.feed(data)
        if data:
            self._output_at = time.monotonic()
        if name == "stdout":
            self._printed += len(data)
        if data and name in self._forwarders:
            self._forwarders[name].write(data, self._wake)
        if data and self._on_data is not None:
            self._on_data(name, data)
        if self._on_line is not None:
            self._report_lines(name, self._splitters[name].feed(data))
        return data

    def _report_lines(self, name: str, texts: list[str]) -> None:
        if self._on_line is not None:
            for text in texts:
                self._on_line(name, text)

    def _report_group(self, pgid: int, mark: str, *, ended: bool) -> None:
        if self._on_group is not None:
            self._on_group(pgid, mark, ended)


def _open_pipes(process: subprocess.Popen[bytes]) -> list[tuple[str, IO[bytes]]]:
    """Return the open pipes of a command by name."""
    pairs = (("stdout", process.stdout), ("stderr", process.stderr))
    return [(name, stream) for name, stream in pairs if stream is not None and not stream.closed]


def _make_start_error(command: CommandSpec, error: OSError | ValueError) -> CommandFailed:
    """Return the error of a command that cannot start; it names what is too long."""
    reason, hint = str(error), None
    if isinstance(error, OSError) and error.errno == errno.E2BIG:
        from mainspring.engine.commands.start_limits import explain_limit  # late: few commands need it

        reason, hint = explain_limit(command.words, os.environ if command.env is None else command.env)
    return CommandFailed(f"cannot start {command.words[0]!r}: {reason}", NOT_EXECUTABLE, hint=hint)


def _open_stdin(command: CommandSpec) -> int | None:
    """Return the command's standard input: a descriptor to close afterwards, DEVNULL, or None for that of this process.

    It is an unnamed file, because writing to a pipe would block if the command reads nothing.
    """
    if command.stdin is None:
        return None if command.has_stdin else subprocess.DEVNULL
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        file.write(command.stdin)
        file.flush()
        file.seek(0)
        return os.dup(file.fileno())

"""One child process, seen from its worker: starts it, exchanges messages, and ends it with all that it started.

Invariants: a child is exec'd, never forked from this process's memory; it leads its own session and group, and the group
is killed before the leader is reaped, so that its id cannot belong to another group by then. All runs in the loop's
thread: the kernel's death signal is bound to the thread that started the child.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from mainspring.engine.attempts.logs.line_splitter import LineSplitter
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_protocol import FrameReader
from mainspring.engine.attempts.processes.process_lifetime import kill_group, read_start_mark
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.resources.database_places import DATABASE_PLACES
from mainspring.resources.lock_backends import LOCK_BACKENDS
from mainspring.resources.project_source import PROJECT_SOURCES
from mainspring.resources.secret_variables import SECRET_VARIABLES

_CHUNK = 64 * 1024
_POLL_EVERY_S = 0.02
_MAX_CHUNKS = 8


class ChildSettings(msgspec.Struct, kw_only=True, frozen=True):
    """Settings for the start and end of children.

    `pass_fds`: descriptors they inherit (the session's lock file). `rules`: names of the user's classifier rules. `log_level`: of records
    of logging. `kill_after`: seconds between SIGTERM and SIGKILL. A child is replaced after `calls_at_most` calls, or
    when it grew by more than `growth_at_most` bytes since its first call.
    """

    pass_fds: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    kill_after: float = 0.3
    calls_at_most: int = 1000
    growth_at_most: int = 256 * 1024 * 1024
    idle_after: float = 60.0
    log_level: int = logging.INFO


class ChildUser(Protocol):
    """The current user of a child."""

    def receive(self, message: child_protocol.MessageFromChild) -> None:
        """Handle a message."""
        ...

    def read_line(self, stream: str, text: str) -> None:
        """Handle a printed line."""
        ...

    def handle_exit(self, code: int) -> None:
        """Handle the end of the child; a negative code = by that signal."""
        ...


class ChildProcess:
    """A started child. `user` is set while it serves a call."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, settings: ChildSettings, on_exit: Callable[["ChildProcess"], None]
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._on_exit = on_exit
        self.user: ChildUser | None = None
        self.calls = 0
        self.first_memory: int | None = None
        self.is_ending = False
        self._reader: FrameReader[child_protocol.MessageFromChild] = FrameReader(child_protocol.MessageFromChild)
        self._unsent = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._socket, child_socket = socket.socketpair()
        try:
            with child_socket:
                self._process = self._spawn(child_socket.fileno())
        except OSError:
            self._socket.close()
            raise
        self.pid = self._process.pid
        self.started = read_start_mark(self.pid)
        self._outputs = self._open_outputs()
        self._socket.setblocking(False)
        loop.add_reader(self._socket, self._on_readable)
        self._watch_exit()
        path = [entry or str(Path.cwd()) for entry in sys.path]
        self.send(
            child_protocol.HelloMessage(
                path,
                {"PYTHONPATH": os.environ.get("PYTHONPATH")},
                list(settings.rules),
                settings.log_level,
                sorted(SECRET_VARIABLES.allowed),
                sorted(ACTION_HOSTS.entries),
                LOCK_BACKENDS.addresses,
                ACTION_HOSTS.limits,
                DATABASE_PLACES.places,
                PROJECT_SOURCES.own,
            )
        )

    def send(self, message: child_protocol.MessageToChild) -> None:
        """Send a message; if the child has ended it is dropped."""
        was_empty = not self._unsent
        self._unsent += child_protocol.encode_frame(message)
        if was_empty:
            self._on_writable()

    def terminate(self) -> None:
        """End the child and what it started: SIGTERM, then SIGKILL."""
        if not self.is_ending:
            self.is_ending = True
            kill_group(self.pid, signal.SIGTERM)
            self._timer = self._loop.call_later(self._settings.kill_after, kill_group, self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the child and what it started, and wait for it."""
        self.is_ending = True
        self.user = None
        if self._process.returncode is None:
            kill_group(self.pid, signal.SIGKILL)
            self._handle_exit()

    def _spawn(self, descriptor: int) -> subprocess.Popen[bytes]:
        # PYTHONPATH only lets the child find this package; HelloMessage restores the environment.
        environ = {
            "PYTHONHASHSEED": "0",
            **SECRET_VARIABLES.without(os.environ),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        return subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "mainspring.engine.attempts.processes.child",
                str(descriptor),
                str(os.getpid()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            pass_fds=(descriptor, *self._settings.pass_fds),
            start_new_session=True,
        )

    def _open_outputs(self) -> list["_OutputPipe"]:
        outputs = []
        for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None:
                outputs.append(_OutputPipe(self._loop, name, pipe.fileno(), self._on_line))
        return outputs

    def _watch_exit(self) -> None:
        """Call `_handle_exit` when the process has ended."""
        self._pidfd: int | None = None
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # an old kernel
                self._pidfd = os.pidfd_open(self.pid)
                self._loop.add_reader(self._pidfd, self._handle_exit)
                return
        self._poll()

    def _poll(self) -> None:
        if self._process.returncode is None:
            # Checked without reaping: the group must be killed first.
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._handle_exit()
            else:
                self._loop.call_later(_POLL_EVERY_S, self._poll)

    def _handle_exit(self) -> None:
        """Handle the exit of the process: kill its group, read its last output, report."""
        kill_group(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self.is_ending = True
        if self._timer is not None:
            self._timer.cancel()
        self.drain_outputs()
        self._on_readable()
        self._close()
        user, self.user = self.user, None
        self._on_exit(self)
        if user is not None:
            user.handle_exit(code)

    def _close(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        for output in self._outputs:
            output.close()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def drain_outputs(self) -> None:
        """Read the output so far."""
        for output in self._outputs:
            output.drain()

    def _on_line(self, stream: str, text: str) -> None:
        if self.user is not None:
            self.user.read_line(stream, text)

    def _on_readable(self) -> None:
        """Receive all messages that were sent."""
        while True:
            try:
                data = self._socket.recv(_CHUNK)
                messages = self._reader.feed(data)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # reported once; earlier data is still readable
            except child_protocol.FrameError as error:  # its exit fails the attempt; this line is the reason
                self._on_line("stderr", str(error))
                data, messages = b"", []
            for message in messages:
                if isinstance(message, child_protocol.EndMessage):
                    self.drain_outputs()  # it flushed before it sent its end
                if self.user is not None:
                    self.user.receive(message)
            if not data:
                self._loop.remove_reader(self._socket)
                self.terminate()  # a child without a channel is useless
                return

    def _on_writable(self) -> None:
        """Send as much unsent data as possible."""
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:  # the child has ended; its exit is handled soon
            sent = len(self._unsent)
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._socket, self._on_writable)
        else:
            self._loop.remove_writer(self._socket)


class _OutputPipe:
    """One pipe that a child prints to, read by line; a line without an end is cut."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, descriptor: int, on_line: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._name = name
        self._descriptor = descriptor
        self._on_line = on_line
        self._splitter = LineSplitter()
        os.set_blocking(descriptor, False)
        loop.add_reader(descriptor, self._on_readable)

    def _on_readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Read one chunk; return whether there may be more."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._descriptor)
            self._end_line()
            return False
        for line in self._splitter.feed(data):
            self._on_line(self._name, line)
        return True

    def drain(self) -> None:
        """Read all available data, including an unfinished line."""
        for _ in range(_MAX_CHUNKS):  # more than a pipe holds, but limited if something keeps writing
            if not self._read():
                break
        self._end_line()

    def close(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self._descriptor)

    def _end_line(self) -> None:
        for line in self._splitter.end():
            self._on_line(self._name, line)

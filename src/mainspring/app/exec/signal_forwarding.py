"""Signal forwarding of `exec`, the original environment of the command, and the one line on stderr."""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

FORWARDED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STDERR_TIMEOUT_S = 1.0


class SignalForwarder:
    """The signals of this process; `then` = the function that forwards them, once there is a command."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.then: Callable[[int], None] | None = None
        self._received = threading.Event()

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Handle the signals in this block. A signal that was ignored before (nohup) stays ignored."""
        before = {number: signal.getsignal(number) for number in FORWARDED_SIGNALS}
        for number, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds`, or until a signal arrives."""
        self._received.wait(seconds)

    def pass_to(self, then: Callable[[int], None]) -> None:
        """Forward signals to `then`, including one that arrived before."""
        self.then = then
        if self.number is not None:
            then(self.number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._received.set()
        if self.then is not None:
            self.then(number)


def read_original_environment() -> dict[str, str]:
    """Return the environment that this process was started with: without the locale that Python sets if there is none."""
    environ = dict(os.environ)
    if "LC_CTYPE" in environ:
        try:
            block = Path("/proc/self/environ").read_bytes()
        except OSError:
            return environ
        if not any(entry.startswith(b"LC_CTYPE=") for entry in block.split(b"\0")):
            del environ["LC_CTYPE"]
    return environ


def print_notice(text: str) -> None:
    """Print one line on stderr, if it can be written."""
    if sys.stderr is None or not _is_stderr_writable():
        return
    try:
        sys.stderr.write(f"mainspring: {' '.join(text.splitlines())}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _is_stderr_writable() -> bool:
    """Return whether stderr accepts a line soon: a reader that reads nothing must not delay the end of this process."""
    try:
        return bool(select.select([], [sys.stderr], [], _STDERR_TIMEOUT_S)[1])
    except (OSError, ValueError):
        return True

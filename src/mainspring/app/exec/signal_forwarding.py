"""What `exec` passes on of its own: signals and its environment; and the one line it says on stderr."""

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
    """What came for us; `then` is who it is passed on to, once there is somebody."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.then: Callable[[int], None] | None = None
        self._came = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals for as long as this lasts; one that was ignored when we came (nohup) stays ignored."""
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
        """Wait so long, or until a signal comes."""
        self._came.wait(seconds)

    def pass_to(self, then: Callable[[int], None]) -> None:
        """Pass signals on to `then`, the one that has come already too."""
        self.then = then
        if self.number is not None:
            then(self.number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._came.set()
        if self.then is not None:
            self.then(number)


def read_original_environment() -> dict[str, str]:
    """Return the environment that this process was started with: without the locale that Python sets where there is none."""
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
    """Say one line on stderr, if anybody can hear it."""
    if sys.stderr is None or not _is_stderr_writable():
        return
    try:
        sys.stderr.write(f"mainspring: {' '.join(text.splitlines())}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _is_stderr_writable() -> bool:
    """Tell whether stderr takes a line soon: a reader that reads nothing must not keep us from ending."""
    try:
        return bool(select.select([], [sys.stderr], [], _STDERR_TIMEOUT_S)[1])
    except (OSError, ValueError):
        return True

"""Our own stdout or stderr, to which a command's output is passed on by a thread: whoever reads it slowly, or not at all, holds up neither
time-outs nor signals.

Invariants. What waits is bounded, because a command's output is read no further while the outlet is full. `fault` says why output was
lost; a terminal that is gone is no fault, the command continues without it.
"""

import os
import selectors
import threading
from collections.abc import Callable
from queue import SimpleQueue

_MAX_PIECES = 4


class StreamForwarder:
    """One descriptor; every attempt of a command writes to the same outlet, so that what they print stays in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: SimpleQueue[tuple[bytes, Callable[[], None]]] = SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_terminal = os.isatty(descriptor)
        self.fault: OSError | None = None
        """Why a piece was lost."""

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read for it now."""
        return self._waiting >= _MAX_PIECES

    @property
    def has_no_reader(self) -> bool:
        """Whether its reader has closed it."""
        return isinstance(self.fault, BrokenPipeError)

    @property
    def is_empty(self) -> bool:
        """Whether everything was written."""
        return not self._waiting

    def write(self, data: bytes, then: Callable[[], None]) -> None:
        """Have a piece written; `then` is called in another thread once it is, or was dropped."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="mainspring-outlet", daemon=True)
            self._thread.start()
        with self._lock:
            self._waiting += 1
        self._pieces.put((data, then))

    def drop(self) -> None:
        """Forget what was not begun to be written."""
        while not self._pieces.empty():
            self._done(self._pieces.get()[1])

    def _serve(self) -> None:
        while True:
            data, then = self._pieces.get()
            try:
                _write_all(self._descriptor, data)
            except OSError as error:
                if not self._is_terminal:
                    self.fault = self.fault or error
            self._done(then)

    def _done(self, then: Callable[[], None]) -> None:
        with self._lock:
            self._waiting -= 1
        then()


def _write_all(descriptor: int, data: bytes) -> None:
    """Pass output on.

    Raises:
        OSError: the rest of it is lost.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            _wait_writable(descriptor)


def _wait_writable(descriptor: int) -> None:
    """Wait until a descriptor takes output."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_WRITE)
        selector.select()

"""A forwarder of a command's output stream to this process's stdout or stderr, by a thread: a slow reader delays neither
time-outs nor signals.

Invariants. The waiting output is bounded, because a command's output is read no further while the forwarder is full. `fault` is the error
that lost output; a closed terminal is no fault, the command continues without it.
"""

import os
import selectors
import threading
from collections.abc import Callable
from queue import SimpleQueue

_MAX_CHUNKS = 4


class StreamForwarder:
    """Forwards to one descriptor; all attempts of a command use the same forwarder, so that their output stays in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: SimpleQueue[tuple[bytes, Callable[[], None]]] = SimpleQueue()
        self._pending_count = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_terminal = os.isatty(descriptor)
        self.fault: OSError | None = None
        """The error that lost a chunk."""

    @property
    def is_full(self) -> bool:
        """Whether no more output should be read now."""
        return self._pending_count >= _MAX_CHUNKS

    @property
    def has_no_reader(self) -> bool:
        """Whether its reader has closed the stream."""
        return isinstance(self.fault, BrokenPipeError)

    @property
    def is_empty(self) -> bool:
        """Whether all output is written."""
        return not self._pending_count

    def write(self, data: bytes, then: Callable[[], None]) -> None:
        """Write a chunk; `then` is called in another thread once it is written or dropped."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="mainspring-forwarder", daemon=True)
            self._thread.start()
        with self._lock:
            self._pending_count += 1
        self._chunks.put((data, then))

    def drop(self) -> None:
        """Drop the chunks whose writing has not started."""
        while not self._chunks.empty():
            self._done(self._chunks.get()[1])

    def _serve(self) -> None:
        while True:
            data, then = self._chunks.get()
            try:
                _write_all(self._descriptor, data)
            except OSError as error:
                if not self._is_terminal:
                    self.fault = self.fault or error
            self._done(then)

    def _done(self, then: Callable[[], None]) -> None:
        with self._lock:
            self._pending_count -= 1
        then()


def _write_all(descriptor: int, data: bytes) -> None:
    """Write output to a descriptor.

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
    """Wait until a descriptor is writable."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_WRITE)
        selector.select()

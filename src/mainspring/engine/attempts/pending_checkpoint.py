"""A checkpoint on its way to the store, for which a step may wait while its attempt runs."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol


class AttemptLoop(Protocol):
    """The loop in which attempts live, and its thread."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def thread(self) -> int: ...


class PendingCheckpoint:
    """One checkpoint on its way to the store; awaitable in the loop, waited for elsewhere."""

    __slots__ = ("_awaited", "_error", "_event", "_forget", "_lock", "_place", "_settled")

    def __init__(self, place: AttemptLoop, forget: Callable[["PendingCheckpoint"], None]) -> None:
        self._place = place
        self._forget = forget
        self._lock = threading.Lock()
        self._settled = False
        self._error: BaseException | None = None
        self._event: threading.Event | None = None
        self._awaited: list[asyncio.Future[None]] = []

    def ack(self, error: BaseException | None) -> None:
        """Settle it; the first call counts."""
        with self._lock:
            if self._settled:
                return
            self._settled, self._error = True, error
        self._forget(self)
        if self._event is not None:
            self._event.set()
        if threading.get_ident() == self._place.thread:
            self._wake()
        elif self._awaited:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever awaited
                self._place.loop.call_soon_threadsafe(self._wake)

    def wait(self) -> None:
        """Block this thread until it is settled."""
        with self._lock:
            if not self._settled:
                self._event = threading.Event()
        if self._event is not None:
            self._event.wait()
        if self._error is not None:
            raise self._error

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in the loop until it is settled."""
        if not self._settled:
            future = self._place.loop.create_future()
            self._awaited.append(future)
            if not self._settled:
                yield from future
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        for future in self._awaited:
            if not future.done():
                future.set_result(None)

"""A pending checkpoint: it is being committed, and the step may wait for it while its attempt runs."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol


class AttemptLoop(Protocol):
    """The loop of the attempts, and its thread."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def thread(self) -> int: ...


class PendingCheckpoint:
    """One checkpoint that is being committed; awaitable in the loop, `wait` is for other threads."""

    __slots__ = ("_error", "_event", "_host", "_lock", "_on_settled", "_settled", "_waiters")

    def __init__(self, host: AttemptLoop, on_settled: Callable[["PendingCheckpoint"], None]) -> None:
        self._host = host
        self._on_settled = on_settled
        self._lock = threading.Lock()
        self._settled = False
        self._error: BaseException | None = None
        self._event: threading.Event | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def ack(self, error: BaseException | None) -> None:
        """Settle it; the first call counts."""
        with self._lock:
            if self._settled:
                return
            self._settled, self._error = True, error
        self._on_settled(self)
        if self._event is not None:
            self._event.set()
        if threading.get_ident() == self._host.thread:
            self._wake()
        elif self._waiters:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its waiters with it
                self._host.loop.call_soon_threadsafe(self._wake)

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
            future = self._host.loop.create_future()
            self._waiters.append(future)
            if not self._settled:
                yield from future
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

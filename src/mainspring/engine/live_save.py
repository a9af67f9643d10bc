"""What a step waits for while its attempt runs: a checkpoint on its way to the store, or a lock."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol


class Place(Protocol):
    """The loop in which attempts live, and its thread."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def thread(self) -> int: ...


class Save:
    """One checkpoint on its way to the store; awaitable in the loop, waited for elsewhere."""

    __slots__ = ("_awaited", "_error", "_event", "_forget", "_lock", "_place", "_settled")

    def __init__(self, place: Place, forget: Callable[["Save"], None]) -> None:
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


class Grant:
    """One lock on its way, waited for as a checkpoint is; in an event loop of the step's own without blocking that."""

    __slots__ = ("_place", "_save", "_token")

    def __init__(self, host: Place, save: Save) -> None:
        self._place = host
        self._save = save
        self._token = 0

    def answer(self, result: int | BaseException) -> None:
        """Settle it with the fencing token, or with what kept it back."""
        if isinstance(result, int):
            self._token = result
            self._save.ack(None)
        else:
            self._save.ack(result)

    def wait(self) -> int:
        """Block this thread until it is settled."""
        self._save.wait()
        return self._token

    def __await__(self) -> Generator[Any, None, int]:
        """Wait in the loop that runs here until it is settled."""
        if threading.get_ident() == self._place.thread:
            yield from self._save.__await__()
        else:
            yield from asyncio.get_running_loop().run_in_executor(None, self._save.wait).__await__()
        return self._token

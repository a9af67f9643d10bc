"""Pending answers: requests and checkpoints of an attempt that wait for their answers, and the numbers of these requests."""

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from mainspring.domain.errors import DefinitionError

T = TypeVar("T")

WAITING_THREADS: Final[set[int]] = set()
"""Threads of steps that wait for the engine. Who answers one removes it, before it runs again."""


class PendingAnswer(Generic[T]):
    """A request of an attempt that waits for its answer. `number` is unique within its attempt; a waiter may stop waiting at any time.

    One thread or one task waits for it.
    """

    __slots__ = ("_answer", "_error", "_is_given_up", "_is_settled", "_lock", "_wake", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._lock = threading.Lock()
        self._is_settled = self._is_given_up = False
        self._answer: T | None = None
        self._error: BaseException | None = None
        self._wake: Callable[[], None] | None = None

    def answer(self, result: T | BaseException) -> bool:
        """Settle it with the answer or an error; return False if it was settled before, or no code waits any more."""
        with self._lock:
            if self._is_settled or self._is_given_up:
                return False
            self._is_settled = True
            if isinstance(result, BaseException):
                self._error = result
            else:
                self._answer = result
            wake = self._wake
        if wake is not None:
            wake()
        return True

    def abandon(self) -> T | None:
        """Stop waiting; return the answer if it came before, though no code has received it."""
        with self._lock:
            self._is_given_up = True
            return self._answer

    def wait(self) -> T:
        """Block this thread until it is settled; return the answer or raise the error."""
        event, thread = threading.Event(), threading.get_ident()

        def wake() -> None:
            WAITING_THREADS.discard(thread)
            event.set()

        if self._begin_wait(wake, thread):
            try:
                event.wait()
            except BaseException:
                WAITING_THREADS.discard(thread)
                self.abandon()
                raise
        return self._read()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait in the running loop, without blocking it and without a thread to join at its end."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        future: asyncio.Future[None] = loop.create_future()

        def set_result() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> None:
            if threading.get_ident() == thread:
                set_result()
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed, and its waiters with it
                    loop.call_soon_threadsafe(set_result)

        if self._begin_wait(wake):
            try:
                yield from future
            except BaseException:
                self.abandon()
                raise
        return self._read()

    def _begin_wait(self, wake: Callable[[], None], blocked: int | None = None) -> bool:
        with self._lock:
            self._wake = wake
            if blocked is not None and not self._is_settled:
                WAITING_THREADS.add(blocked)
            return not self._is_settled

    def _read(self) -> T:
        if self._error is not None:
            raise self._error
        return cast("T", self._answer)


class AttemptLoop(Protocol):
    """The loop of the attempts, and its thread."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def thread(self) -> int: ...


class PendingCheckpoint:
    """One checkpoint that is being committed; awaitable in the loop, `wait` is for other threads."""

    __slots__ = ("_error", "_event", "_host", "_lock", "_on_settled", "_settled", "_thread", "_waiters")

    def __init__(self, host: AttemptLoop, on_settled: Callable[["PendingCheckpoint"], None]) -> None:
        self._host = host
        self._on_settled = on_settled
        self._lock = threading.Lock()
        self._settled = False
        self._error: BaseException | None = None
        self._event: threading.Event | None = None
        self._thread = 0
        self._waiters: list[asyncio.Future[None]] = []

    def ack(self, error: BaseException | None) -> None:
        """Settle it; the first call counts."""
        with self._lock:
            if self._settled:
                return
            self._settled, self._error = True, error
        self._on_settled(self)
        if self._event is not None:
            WAITING_THREADS.discard(self._thread)
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
                self._event, self._thread = threading.Event(), threading.get_ident()
                WAITING_THREADS.add(self._thread)
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


class RequestNumbers:
    """The numbers of the requests of one process; any thread may take the next one."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._pid = os.getpid()

    def __next__(self) -> int:
        """Return the next number. Raises DefinitionError in a process that a step forked."""
        self.require_own_process()
        return next(self._count)

    def require_own_process(self) -> None:
        """Raise DefinitionError in a process that a step forked: no answer would reach it."""
        if os.getpid() != self._pid:
            raise DefinitionError(
                "a process that a step forked has no connection to its worker",
                hint="Call ms.* in the step itself, or in its threads, and let the forked process only compute.",
            )

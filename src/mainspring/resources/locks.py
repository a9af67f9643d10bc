"""Locks of running attempts: requested, awaited, and released in any case.

Role: turns the request of an attempt for a lock into commands of the store, repeated until it has the lock or its time is over. Used in
the loop's thread only. Invariants: a lock belongs to one attempt, so that no other has it at the same time; a lock granted to an attempt
that is over is released at once; waiters of one process get it in their order. A process that dies releases nothing by itself: its
session is declared dead.
"""

import asyncio
import functools
from collections.abc import Callable

from mainspring.domain.errors import ConflictError, Transient
from mainspring.store.base import Store
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import NumberAnswer, Refused

LockCallback = Callable[[int | BaseException], None]
"""Called once: with the fencing token, or the error."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


class LockHeldError(Transient):
    """Another owner held the lock for the whole wait."""

    code = "lock_held"


class _PendingLock:
    """One attempt that waits for one lock, or has it (`token`)."""

    __slots__ = ("answer", "name", "number", "owner", "pause", "timer", "token", "until")

    def __init__(self, owner: str, number: int, name: str, until: float, answer: LockCallback) -> None:
        self.owner = owner
        self.number = number
        self.name = name
        self.until = until
        self.answer = answer
        self.pause = _FIRST_PAUSE
        self.timer: asyncio.TimerHandle | None = None
        self.token: int | None = None


class AttemptLocks:
    """The locks of one worker's attempts. `owner` is a text that identifies the attempt, also for people."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._requests: dict[tuple[str, str], _PendingLock] = {}
        self._is_closed = False

    def request(self, owner: str, number: int, name: str, within_s: float, answer: LockCallback) -> None:
        """Acquire a lock for an attempt, after a wait of at most `within_s` seconds. `number` is unique among its requests.

        `answer` gets the fencing token; ConflictError if the attempt has the lock, or waits for it, already; LockHeldError after the time.
        """
        if self._is_closed:
            return
        if (owner, name) in self._requests:
            message = f"this attempt holds lock {name!r} already, or waits for it"
            answer(ConflictError(message, hint="Acquire it once, around all code that needs it."))
            return
        request = self._requests[owner, name] = _PendingLock(owner, number, name, self._loop.time() + within_s, answer)
        self._try_acquire(request)

    def release(self, owner: str, number: int | None = None) -> None:
        """Release the locks of one request of an attempt, or all of them, and end their waits: these get ConflictError."""
        for key in [
            key
            for key, request in self._requests.items()
            if request.owner == owner and number in (None, request.number)
        ]:
            request = self._requests.pop(key)
            if request.timer is not None:
                request.timer.cancel()
            if request.token is not None:
                self._release_token(request, request.token)
            else:
                request.answer(ConflictError(f"the wait for lock {request.name!r} was cancelled"))

    def close(self) -> None:
        """Do nothing more: the end of the session releases the locks."""
        self._is_closed = True
        for request in self._requests.values():
            if request.timer is not None:
                request.timer.cancel()
        self._requests.clear()

    def _try_acquire(self, request: _PendingLock) -> None:
        request.timer = None
        self._store.submit(AcquireLock(request.name, request.owner), functools.partial(self._on_result, request))

    def _on_result(self, request: _PendingLock, result: NumberAnswer | Refused | BaseException) -> None:
        is_pending = self._requests.get((request.owner, request.name)) is request
        if isinstance(result, NumberAnswer):
            if is_pending:
                request.token = result.number
                request.answer(result.number)
            else:
                self._release_token(request, result.number)
        elif isinstance(result, Refused):
            if not is_pending:
                return
            remaining_s = request.until - self._loop.time()
            if remaining_s > 0:
                request.timer = self._loop.call_later(min(request.pause, remaining_s), self._try_acquire, request)
                request.pause = min(request.pause * 2, _LONGEST_PAUSE)
            else:
                del self._requests[request.owner, request.name]
                request.answer(LockHeldError(result.text or f"lock {request.name!r} is held"))
        elif is_pending:
            del self._requests[request.owner, request.name]
            request.answer(result)

    def _release_token(self, request: _PendingLock, token: int) -> None:
        if self._is_closed:
            return
        self._store.submit(ReleaseLock(request.name, token), lambda _result: None)
        for other in self._requests.values():
            if other.name == request.name and other.timer is not None:
                other.timer.cancel()
                self._try_acquire(other)  # in the same commit group as the release
                break

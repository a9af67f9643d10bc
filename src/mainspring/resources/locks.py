"""Locks that running attempts hold: asked for, waited for, and let go whatever happens.

Role: makes of "this attempt wants that lock" the commands of the store, again and again until it has it or its patience is over. Used in
the loop's thread only. Invariants: a lock is taken under the name of one attempt, so that no other has it for the same; what is granted to
an attempt that is over is let go at once; of those that wait in one process who came first is next. A process that dies lets go of
nothing by itself: the burial of its session does.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from mainspring.domain.errors import ConflictError, Transient
from mainspring.store.base import Store
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import NumberAnswer, Refused

LockCallback = Callable[[int | BaseException], None]
"""Told once: the fencing token, or why there is none."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


class LockHeldError(Transient):
    """Somebody else held the lock for as long as it was waited for."""

    code = "lock_held"


class _PendingLock:
    """One attempt that wants one lock, or has it (`token`)."""

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
    """The locks of one worker's attempts. An attempt is called by a text that no other attempt has: it is the lock's owner for people."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._wishes: dict[tuple[str, str], _PendingLock] = {}
        self._is_closed = False

    def ask(self, owner: str, number: int, name: str, within_s: float, answer: LockCallback) -> None:
        """Take a lock for an attempt, waiting for it at most so many seconds. `number` is that of no other request of the attempt.

        Answers ConflictError where the attempt has it, or waits for it, already; LockHeldError when the time is over.
        """
        if self._is_closed:
            return
        if (owner, name) in self._wishes:
            held = f"this attempt holds lock {name!r} already, or waits for it"
            answer(ConflictError(held, hint="Take it once, around all that needs it."))
            return
        wish = self._wishes[owner, name] = _PendingLock(owner, number, name, self._loop.time() + within_s, answer)
        self._try(wish)

    def let_go(self, owner: str, number: int | None = None) -> None:
        """Let go of what one request of an attempt gave, or all of them, and wait for it no longer: who still waits is answered so."""
        for key in [k for k, wish in self._wishes.items() if wish.owner == owner and number in (None, wish.number)]:
            wish = self._wishes.pop(key)
            if wish.timer is not None:
                wish.timer.cancel()
            if wish.token is not None:
                self._release(wish, wish.token)
            else:
                wish.answer(ConflictError(f"the wait for lock {wish.name!r} was given up"))

    def close(self) -> None:
        """Do nothing more: the end of the session frees what is held."""
        self._is_closed = True
        for wish in self._wishes.values():
            if wish.timer is not None:
                wish.timer.cancel()
        self._wishes.clear()

    def _try(self, wish: _PendingLock) -> None:
        wish.timer = None
        self._store.submit(AcquireLock(wish.name, wish.owner), functools.partial(self._answered, wish))

    def _answered(self, wish: _PendingLock, result: Any) -> None:
        is_wanted = self._wishes.get((wish.owner, wish.name)) is wish
        if isinstance(result, NumberAnswer):
            if is_wanted:
                wish.token = result.number
                wish.answer(result.number)
            else:
                self._release(wish, result.number)
        elif is_wanted and isinstance(result, Refused):
            left = wish.until - self._loop.time()
            if left > 0:
                wish.timer = self._loop.call_later(min(wish.pause, left), self._try, wish)
                wish.pause = min(wish.pause * 2, _LONGEST_PAUSE)
            else:
                del self._wishes[wish.owner, wish.name]
                wish.answer(LockHeldError(result.text or f"lock {wish.name!r} is held"))
        elif is_wanted:
            del self._wishes[wish.owner, wish.name]
            wish.answer(result)

    def _release(self, wish: _PendingLock, token: int) -> None:
        if self._is_closed:
            return
        self._store.submit(ReleaseLock(wish.name, token), lambda _result: None)
        for other in self._wishes.values():
            if other.name == wish.name and other.timer is not None:
                other.timer.cancel()
                self._try(other)  # in the same group as what lets it go
                break

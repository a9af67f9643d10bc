"""Deliveries whose filter may have taken its worker down: asked one at a time, with the crashes of each counted.

A delivery that came before this process began is a suspect if a worker died shortly before that. The count is the fencing token of a lock
named after the delivery: a dead worker's lock is free, and the next one to take it gets the next number.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.states import SessionState
from mainspring.store.base import Reader, Store
from mainspring.store.commands.automations import ReleaseLock, TakeLock
from mainspring.store.commands.results import Numbered
from mainspring.store.reads.status import sessions

MOST_CRASHES = 3
"""As for runs: the third one is the last."""
_DIED_LATELY_MS = 600_000
_SESSIONS = 200
_WORKERS = ("worker", "probation")


class Suspects:
    """Used in the loop's thread, `look` beside it."""

    def __init__(self, store: Store, reader: Reader, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._began_at = clock.now()
        self._before: int | None = None
        self._waiting: deque[tuple[str, Callable[[], None], Callable[[], None], Callable[[], None]]] = deque()
        self._lock: tuple[str, int] | None = None
        self._now: str | None = None

    def look(self) -> None:
        """Learn, once, whether a worker died lately. Blocking; raises StoreError."""
        if self._before is None:
            found = sessions(self._reader, live=False, limit=_SESSIONS)
            died = [
                one.ended_at or self._began_at
                for one in found
                if one.role in _WORKERS and one.state == SessionState.DEAD
            ]
            lately = any(at >= self._began_at - _DIED_LATELY_MS for at in died)
            self._before = self._began_at if lately else 0

    def has(self, received_at: int) -> bool:
        """Whether a delivery that came at this instant (ms) is a suspect."""
        return received_at < (self._before or 0)

    def add(self, delivery: str, ask: Callable[[], None], blame: Callable[[], None], later: Callable[[], None]) -> None:
        """Let it have its turn: `ask` begins to ask its filter, `blame` fails it, `later` leaves it to another look."""
        self._waiting.append((delivery, ask, blame, later))
        self._next()

    def done(self, delivery: str) -> None:
        """There is a verdict, or nobody asks any more: the next one has its turn."""
        if self._now == delivery:
            if self._lock is not None:
                self._store.submit(ReleaseLock(*self._lock), lambda _: None)
            self._now = self._lock = None
            self._next()

    def _next(self) -> None:
        if self._now is not None or not self._waiting:
            return
        delivery, ask, blame, later = self._waiting.popleft()
        self._now = delivery
        name = f"filter:{delivery}"

        def taken(answer: Any) -> None:
            if not isinstance(answer, Numbered):  # another worker asks, or the store is away
                later()
                self.done(delivery)
                return
            self._lock = name, answer.number
            (ask if answer.number <= MOST_CRASHES else blame)()

        self._store.submit(TakeLock(name, delivery, "its filter is asked, after a worker died"), taken)

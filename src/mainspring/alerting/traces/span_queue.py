"""The queue of spans for the collector: bounded; adding never waits, and spans over the bound are counted as dropped."""

import threading
from collections import deque
from collections.abc import Sequence

from mainspring.domain.runs.trace_span import TraceSpan

MOST = 10_000
PART = 512


class SpanQueue:
    """A queue with one thread that adds and one that takes."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[TraceSpan] = deque()
        self._is_full_enough = threading.Event()
        self._lock = threading.Lock()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, spans: Sequence[TraceSpan]) -> None:
        """Add spans up to the capacity."""
        capacity = max(self._most - len(self._waiting), 0)
        self._waiting.extend(spans[:capacity])
        if len(spans) > capacity:
            self.count_dropped(len(spans) - capacity)
        if len(self._waiting) >= PART:
            self._is_full_enough.set()

    def take(self) -> list[TraceSpan]:
        """Take the next batch, oldest first."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), PART))]

    def wait(self, within_s: float) -> None:
        """Wait up to `within_s` seconds for a whole batch or for `hurry`."""
        if self._is_full_enough.wait(within_s):
            self._is_full_enough.clear()

    def hurry(self) -> None:
        """Wake the thread that waits."""
        self._is_full_enough.set()

    def count_dropped(self, number: int) -> None:
        """Count spans that are not sent."""
        with self._lock:
            self._dropped += number

    def take_dropped(self) -> int:
        """Return the number of spans dropped since the last call."""
        with self._lock:
            number, self._dropped = self._dropped, 0
        return number

"""What waits to be told to the collector: bounded, never waited for by whoever adds, what is over the bound is counted."""

import threading
from collections import deque
from collections.abc import Sequence

from mainspring.domain.runs.trace_span import TraceSpan

MOST = 10_000
PART = 512


class SpanQueue:
    """One thread adds, one takes."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[TraceSpan] = deque()
        self._is_full_enough = threading.Event()
        self._lock = threading.Lock()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, spans: Sequence[TraceSpan]) -> None:
        """Add as many as there is room for."""
        room = max(self._most - len(self._waiting), 0)
        self._waiting.extend(spans[:room])
        if len(spans) > room:
            self.count_dropped(len(spans) - room)
        if len(self._waiting) >= PART:
            self._is_full_enough.set()

    def take(self) -> list[TraceSpan]:
        """Take the next part, oldest first."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), PART))]

    def wait(self, within_s: float) -> None:
        """Wait until a whole part is there or somebody hurries, at most for so long."""
        if self._is_full_enough.wait(within_s):
            self._is_full_enough.clear()

    def hurry(self) -> None:
        """Wake who waits."""
        self._is_full_enough.set()

    def count_dropped(self, number: int) -> None:
        """Count spans that nobody will be told of."""
        with self._lock:
            self._dropped += number

    def take_dropped(self) -> int:
        """Return how many were dropped since this was last asked."""
        with self._lock:
            number, self._dropped = self._dropped, 0
        return number

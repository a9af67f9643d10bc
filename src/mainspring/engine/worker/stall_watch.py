"""Watch a loop from outside to detect a stall: a loop that does not turn is reported with the code that blocks it.

Role: a thread sets a mark in the loop and checks whether the loop cleared it. After `report_after` without a turn `on_stall` gets the
blocking stack, once per stall. After `limit_after` `on_limit` is called, once, so that no blocked worker keeps its runs for ever.
Invariant: nothing here needs the loop to turn; a test drives `check_once` with its own clock.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from mainspring.engine.attempts.stacks import read_thread_stack


class StallWatch:
    """Watches the loop that runs in `thread` (its `threading.get_ident()`); spans are seconds of `now`.

    `on_stall(frames, since)`, `on_limit(since)` and, when a loop turns again after a reported stall, `on_turn()` are called from the
    watching thread, in that order; `since` = seconds without a turn, `frames` = lines "file:line function", outermost first.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        thread: int,
        *,
        on_stall: Callable[[list[str], float], None],
        on_limit: Callable[[float], None],
        on_turn: Callable[[], None] = lambda: None,
        report_after: float = 4.0,
        limit_after: float = 300.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._thread = thread
        self._on_stall = on_stall
        self._on_limit = on_limit
        self._on_turn = on_turn
        self._report_after = report_after
        self._limit_after = limit_after
        self._now = now
        self._marked_at: float | None = None
        self._is_reported = False
        self._is_over = False
        self._was_stalled = False
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Watch from a daemon thread."""
        self._watcher = threading.Thread(target=self._watch, name="mainspring-stall", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._watcher is not None and self._watcher.ident != threading.get_ident():
            self._watcher.join()

    def check_once(self) -> bool:
        """Check once; return whether the loop stalls."""
        # Counted from this thread's own mark: a machine that slept is no stall.
        marked_at = self._marked_at
        if marked_at is None:
            if self._was_stalled:
                self._was_stalled = False
                self._on_turn()
            self._marked_at = marked_at = self._now()
            try:
                self._loop.call_soon_threadsafe(self._clear_mark)
            except RuntimeError:  # the loop is closed, which is no stall
                self._closing.set()
                return False
        since = self._now() - marked_at
        if since < self._report_after:
            return False
        if not self._is_reported:
            self._is_reported = self._was_stalled = True
            self._on_stall(read_thread_stack(self._thread), since)
        if since >= self._limit_after and not self._is_over:
            self._is_over = True
            self._on_limit(since)
        return True

    def _clear_mark(self) -> None:
        """Clear the mark; runs in the loop, so the loop turns."""
        self._marked_at = None
        self._is_reported = False
        self._is_over = False

    def _watch(self) -> None:
        # A tenth of the span: the report is in time, and an idle loop wakes at most about twice a second.
        while not self._closing.wait(self._report_after / 10):
            self.check_once()

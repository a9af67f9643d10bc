"""Watch for code that blocks: after its limit a thread reports the line of the main thread, and ends the process."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from mainspring.app.replay.replay_protocol import BlockedReport, MessageChannel
from mainspring.domain.failures.error_location import locate_full_path
from mainspring.engine.attempts.stacks import read_thread_stack

_INTERVAL_S = 0.05
_EXIT_CODE = 1


class BlockWatch:
    """The watch of the thread that creates it."""

    def __init__(self, channel: MessageChannel) -> None:
        self._channel = channel
        self._watched = threading.get_ident()
        self._lock = threading.Lock()
        self._ends_at: float | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def limit(self, limit_s: float) -> Iterator[None]:
        """Limit the code within the context. If it does not end, the process does."""
        with self._lock:
            self._ends_at = time.monotonic() + limit_s
        try:
            yield
        finally:
            with self._lock:
                self._ends_at = None

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_INTERVAL_S):
            with self._lock:
                if self._ends_at is not None and time.monotonic() >= self._ends_at:
                    place = locate_full_path(read_thread_stack(self._watched))
                    with contextlib.suppress(OSError):
                        self._channel.send(BlockedReport(place))
                    os._exit(_EXIT_CODE)

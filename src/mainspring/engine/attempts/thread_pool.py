"""A pool of daemon threads for plain functions.

Unlike the standard pool it never waits for its threads when the program ends, and it replaces a thread that hangs in user
code, so that a few hung calls do not use up the pool.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

WorkItem = Callable[[], bool]
STEP_THREAD_PREFIX = "mainspring-step-"
"""The name of a thread begins with it."""


class DaemonThreadPool:
    """Runs each work item in one of at most `size` threads; an item returns whether its thread should end."""

    def __init__(self, size: int) -> None:
        self._queue: SimpleQueue[WorkItem | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._size = size
        self._count = 0

    def submit(self, work: WorkItem) -> None:
        """Run `work` as soon as a thread is free; it must not raise."""
        self._queue.put(work)
        if self._idle.acquire(blocking=False):
            return
        with self._lock:
            if self._count < self._size:
                self._spawn()

    def replace_hung_thread(self) -> None:
        """Add a thread in place of one whose work hangs; that work must return True when it ends after all."""
        with self._lock:
            self._size += 1
            if not self._queue.empty():
                self._spawn()

    def close(self) -> None:
        """Let idle threads end; busy ones end with the process."""
        with self._lock:
            for _ in range(self._count):
                self._queue.put(None)

    def _spawn(self) -> None:
        self._count += 1
        threading.Thread(target=self._serve, name=f"{STEP_THREAD_PREFIX}{self._count}", daemon=True).start()

    def _serve(self) -> None:
        """Run work until the pool is closed."""
        while (work := self._queue.get()) is not None:
            if work():
                with self._lock:
                    self._count -= 1
                    self._size -= 1
                return
            del work  # so that an idle thread keeps no user objects alive
            self._idle.release()

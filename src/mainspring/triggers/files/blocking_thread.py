"""One thread for blocking calls: a file system that hangs blocks neither other work nor the end of the process."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable
from typing import TypeVar

from mainspring.engine.attempts.thread_pool import DaemonThreadPool

T = TypeVar("T")


class BlockingThread:
    """Runs calls one after the other, in the order in which they are given."""

    def __init__(self) -> None:
        self._threads = DaemonThreadPool(1)
        self._progress_at: float | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since the current work started or last made progress; 0.0 while there is none."""
        last = self._progress_at
        return 0.0 if last is None else time.monotonic() - last

    def report_progress(self) -> None:
        """Report progress; work that may take long calls this after each part."""
        self._progress_at = time.monotonic()

    async def do(self, work: Callable[[], T]) -> T:
        """Run `work` and return or raise its result. Started work runs to its end even if no code waits for it any more."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> bool:
            if future.set_running_or_notify_cancel():
                self.report_progress()
                try:
                    result = work()
                except BaseException as error:  # noqa: BLE001  it is raised in the caller
                    self._progress_at = None
                    future.set_exception(error)
                else:
                    self._progress_at = None
                    future.set_result(result)
            return False

        self._threads.submit(run)
        return await asyncio.wrap_future(future)

    def post(self, work: Callable[[], None]) -> None:
        """Run `work` after all earlier work, without waiting for it. It must not raise."""

        def run() -> bool:
            work()
            return False

        self._threads.submit(run)

    def close(self) -> None:
        """End the thread after all given work."""
        self._threads.close()

"""One thread for what blocks: a file system that hangs keeps nobody else waiting, nor the end of the process."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable
from typing import TypeVar

from mainspring.engine.attempts.thread_pool import DaemonThreadPool

T = TypeVar("T")


class BlockingThread:
    """Does one thing after the other, in the order in which they are given."""

    def __init__(self) -> None:
        self._threads = DaemonThreadPool(1)
        self._progress_at: float | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since the work under way began or last made progress; 0.0 while there is none."""
        last = self._progress_at
        return 0.0 if last is None else time.monotonic() - last

    def report_progress(self) -> None:
        """Called by work that may rightly take long, each time a part of it is done."""
        self._progress_at = time.monotonic()

    async def do(self, work: Callable[[], T]) -> T:
        """Return what `work` returns or raise what it raises. What has begun goes on to its end even if nobody waits for it any more."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> bool:
            if future.set_running_or_notify_cancel():
                self.report_progress()
                try:
                    result = work()
                except BaseException as error:  # noqa: BLE001  it belongs to whoever asked
                    self._progress_at = None
                    future.set_exception(error)
                else:
                    self._progress_at = None
                    future.set_result(result)
            return False

        self._threads.submit(run)
        return await asyncio.wrap_future(future)

    def post(self, work: Callable[[], None]) -> None:
        """Do it after all that was given before; nobody waits for it. It must not raise."""

        def run() -> bool:
            work()
            return False

        self._threads.submit(run)

    def close(self) -> None:
        """End the thread after what it was given."""
        self._threads.close()

"""A thread for what blocks and may never end: nobody shares it, and no process waits for it at its end.

A pool would do both: whoever hangs there takes the place of all who share it, and the interpreter joins its threads before it exits.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

from mainspring.alerting.notifiers.base import ChannelFault

T = TypeVar("T")


class ChannelThread:
    """That of one channel: one act at a time, so that what hangs does not add up."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_over = threading.Event()
        self._is_over.set()

    async def run(self, act: Callable[[], T]) -> T:
        """Return what the act returns; whoever is cancelled meanwhile leaves it to itself.

        Raises:
            ChannelFault: the act before this one, which was left to itself, has not ended yet.
        """
        if not self._is_over.is_set():
            raise ChannelFault("what was begun before and took too long has not ended yet")
        is_over = self._is_over = threading.Event()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it, only leave it to itself

        def live() -> None:
            # Over before it is told: whoever hears of it may begin the next act at once.
            try:
                result = act()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                is_over.set()
                future.set_exception(error)
            else:
                is_over.set()
                future.set_result(result)

        threading.Thread(target=live, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(future)

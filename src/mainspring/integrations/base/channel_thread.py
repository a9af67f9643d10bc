"""A thread for one channel, for calls that block and may never end. No other channel shares it, and no process waits for it at its end.

A pool would do both: a call that hangs takes the place of all who share it, and the interpreter joins its threads before it exits.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

from mainspring.integrations.base.notifier import ChannelFault

T = TypeVar("T")


class ChannelThread:
    """The thread of one channel: one call at a time, so that calls that hang do not add up."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_over = threading.Event()
        self._is_over.set()

    async def run(self, call: Callable[[], T]) -> T:
        """Return the result of a call; if the caller is cancelled, the call continues alone.

        Raises:
            ChannelFault: the previous call, which continued alone, has not ended yet.
        """
        if not self._is_over.is_set():
            raise ChannelFault("an earlier notification took too long and has not ended yet")
        is_over = self._is_over = threading.Event()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled

        def execute() -> None:
            # Set before the result: its receiver may start the next call at once.
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                is_over.set()
                future.set_exception(error)
            else:
                is_over.set()
                future.set_result(result)

        threading.Thread(target=execute, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(future)

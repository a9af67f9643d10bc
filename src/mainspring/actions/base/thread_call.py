"""A call of an action in a thread, which a task awaits. A cancel of the task stops the call."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from mainspring.actions.base.stop_request import CURRENT_CALL, StoppableCall

R = TypeVar("R")


async def await_thread(fn: Callable[[], R], name: str) -> R:
    """Run a function in a thread of its own: an action may wait for hours, and the threads of the loop are few."""
    call, context, future = StoppableCall(), copy_context(), Future[R]()
    context.run(CURRENT_CALL.set, call)

    def run() -> None:
        try:
            result = context.run(fn)
        except BaseException as error:  # noqa: BLE001 - the awaiting task raises it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    ending, cancelled = asyncio.wrap_future(future), None
    while not ending.done():
        try:
            await asyncio.wait([ending])
        except asyncio.CancelledError as error:
            cancelled = error
            call.stop()
    if cancelled is not None:
        ending.exception()  # read, so that asyncio does not report it as lost
        raise cancelled
    return ending.result()

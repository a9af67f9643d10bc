"""Calls that block, run outside the loop."""

import asyncio
from collections.abc import Callable
from typing import Any

BlockingCaller = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Runs a blocking read elsewhere and passes its result (or exception) to the second function, in the loop."""


def executor_caller(loop: asyncio.AbstractEventLoop) -> BlockingCaller:
    """Return a caller that runs blocking calls on the loop's default executor."""

    def run(read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def finished(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled():
                error = future.exception()
                then(error if error is not None else future.result())

        loop.run_in_executor(None, read).add_done_callback(finished)

    return run

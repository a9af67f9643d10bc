"""Reads that block, beside the loop of the process."""

import asyncio
from collections.abc import Callable
from typing import Any

BlockingCaller = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Runs a blocking read elsewhere and hands its result (or exception) to the second function, in the loop."""


def executor_caller(loop: asyncio.AbstractEventLoop) -> BlockingCaller:
    """Return what makes blocking calls on the loop's own threads."""

    def run(read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def finished(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled():
                error = future.exception()
                then(error if error is not None else future.result())

        loop.run_in_executor(None, read).add_done_callback(finished)

    return run

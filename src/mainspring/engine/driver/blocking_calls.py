"""Calls that block, run outside the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

BlockingCaller = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Runs a blocking read elsewhere and passes its result (or exception) to the second function, in the loop."""


def executor_caller(loop: asyncio.AbstractEventLoop, executor: Executor | None = None) -> BlockingCaller:
    """Return a caller that runs blocking calls on an executor, None = the loop's default one."""

    def run(read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def finished(future: "asyncio.Future[Any]") -> None:
            if not future.cancelled():
                error = future.exception()
                then(error if error is not None else future.result())

        loop.run_in_executor(executor, read).add_done_callback(finished)

    return run

"""Commit and wait: a coroutine sends a command and waits for its answer while its loop continues."""

import asyncio
from typing import Any, Protocol

from mainspring.store.base import CommitCallback


class CommandSubmitter(Protocol):
    """The part of a store that takes commands."""

    def submit(self, command: Any, on_done: CommitCallback) -> None:
        """Commit a command; `on_done` is called in the loop with its result, or with what it raised."""
        ...


async def commit_and_wait(store: CommandSubmitter, command: Any) -> Any:
    """Commit a command and return its result; raises what the store answers instead.

    `store` delivers into the running loop. Whoever stops waiting does not take the command back.
    """
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(result: Any) -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    store.submit(command, done)
    return await answer

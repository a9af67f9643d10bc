"""Commit and wait: a coroutine sends a command and waits for its result while its loop continues."""

import asyncio
from typing import Any, Protocol

from mainspring.store.base import CommitCallback


class CommandSubmitter(Protocol):
    """The part of a store that accepts commands."""

    def submit(self, command: Any, on_done: CommitCallback) -> None:
        """Commit a command; call `on_done` in the loop with its result or exception."""
        ...


async def commit_and_wait(store: CommandSubmitter, command: Any) -> Any:
    """Commit a command and return its result, or raise its exception.

    `store` delivers into the running loop. Cancelling the wait does not cancel the command.
    """
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def set_answer(result: Any) -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    store.submit(command, set_answer)
    return await answer

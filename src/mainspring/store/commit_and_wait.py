"""Commit and wait: a coroutine sends a command and waits for its result while its loop continues."""

import asyncio
from typing import Protocol

from mainspring.store.base import CommitCallback
from mainspring.store.commands.base import Answer, StoreCommand


class CommandSubmitter(Protocol):
    """The part of a store that accepts commands."""

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Commit a command; call `on_done` in the loop with its result or exception."""
        ...


async def commit_and_wait(store: CommandSubmitter, command: StoreCommand[Answer]) -> Answer:
    """Commit a command and return its answer, or raise its exception.

    `store` delivers into the running loop. Cancelling the wait does not cancel the command.
    """
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def set_answer(result: Answer | BaseException) -> None:
        if answer.done():
            return
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    store.submit(command, set_answer)
    return await answer

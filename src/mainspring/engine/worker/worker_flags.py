"""Flags of one worker: the questions of its runs, answered by the store or by a provider outside, and counted."""

import asyncio
import functools
from collections.abc import Callable

from msgspec.structs import replace

from mainspring.domain.flags.flag import FlagAnswer
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.flag_provider import FlagProvider
from mainspring.resources.flag_uses import FlagUses
from mainspring.store.base import Store
from mainspring.store.commands.flags import AnswerFlag

AnswerCallback = Callable[[FlagAnswer | BaseException], None]


class WorkerFlags:
    """Used in the loop's thread. With a provider, its answer is put on record like one of the store: the first one of a run counts."""

    def __init__(self, store: Store, provider: FlagProvider | None) -> None:
        self._store = store
        self._provider = provider
        self._uses = FlagUses()
        self._tasks: set[asyncio.Task[FlagAnswer]] = set()

    def ask(self, command: AnswerFlag, automation: str, on_answer: AnswerCallback) -> None:
        """Answer a question of a run."""
        if self._provider is None:
            self._send(command, automation, on_answer)
            return
        task = asyncio.get_running_loop().create_task(self._provider.answer_async(command.question))
        self._tasks.add(task)

        def send(ended: "asyncio.Task[FlagAnswer]") -> None:
            self._tasks.discard(ended)
            if not ended.cancelled():
                self._send(replace(command, given=ended.result()), automation, on_answer)

        task.add_done_callback(send)

    def record(self) -> None:
        """Commit the counts since the last call."""
        command = self._uses.take() if self._store.session is not None else None
        if command is not None:
            self._store.submit(command, ignore_answer)

    def close(self) -> None:
        """Drop what the provider has not answered."""
        for task in self._tasks:
            task.cancel()

    def _send(self, command: AnswerFlag, automation: str, on_answer: AnswerCallback) -> None:
        self._store.submit(command, functools.partial(self._count, command.question.flag, automation, on_answer))

    def _count(self, flag: str, automation: str, on_answer: AnswerCallback, result: FlagAnswer | BaseException) -> None:
        if isinstance(result, FlagAnswer):
            self._uses.note(flag, automation, result)
        on_answer(result)

"""Operations on runs from Python: signal, cancel, pause, resume, retry, fork, answer; and events for all that wait for one.

All go through the engine, with the program as the actor.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mainspring.app.blocking import run_blocking
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import FileChunks, StoreFileChunks
from mainspring.engine.attempts.file_ref import FileRef, FileSource, files_from, put_file
from mainspring.resources.trace_baggage import add_current_baggage
from mainspring.service.actor import OperationContext
from mainspring.service.run_engine import RunEngine
from mainspring.service.runs.run_fork import ForkOptions
from mainspring.service.runs.run_start import encode_arguments
from mainspring.store.commands.results import StartAnswer
from mainspring.store.process_store import ProcessStore

if TYPE_CHECKING:
    from mainspring.app.handle import Handle

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class EngineOperation(Protocol[T_co]):
    """An operation of an engine, with all its arguments but who does it."""

    def __call__(self, engine: RunEngine, /, *, act: OperationContext) -> T_co:
        """Perform it and return its answer."""
        ...


class RunOperations(ABC):
    """The operations on runs of a store."""

    sealing: Sealing

    @abstractmethod
    async def do(self, operation: EngineOperation[T], reason: str | None = None, *, creates_store: bool = False) -> T:
        """Call an operation of the engine off the loop, as this program."""

    @abstractmethod
    def handle(self, run_id: str) -> "Handle[Any]":
        """Return a handle on a run of this store."""

    @abstractmethod
    async def opened_store(self, *, creates_store: bool = False) -> ProcessStore:
        """Return the store without blocking the loop."""

    @property
    def file_chunks(self) -> FileChunks:
        """The chunks of the files of this store."""
        return StoreFileChunks(self.sealing)

    async def put_file(
        self, source: FileSource, *, name: str | None = None, content_type: str | None = None
    ) -> FileRef:
        """Store a file, and return the reference to it: pass it to `start` within a day. In a step, use `ms.FileRef.put`.

        `source` = a path, or a binary file that is read from its position to its end. `name` = default: that of the path.

        Raises:
            FileRefError: the file has more than 64 GiB.
            CodecUnavailableError: it cannot be stored now.
        """
        await self.opened_store(creates_store=True)  # its key seals the reference
        with files_from(self.file_chunks):
            return await asyncio.to_thread(put_file, FileRef, self.file_chunks, source, name, content_type)

    def put_file_sync(self, source: FileSource, *, name: str | None = None, content_type: str | None = None) -> FileRef:
        """Store a file as `put_file` does, and block this thread. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.put_file(source, name=name, content_type=content_type), "app.put_file")

    async def publish(
        self, name: str, data: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Publish an event: it wakes the runs that wait for it, and starts what listens to it. Return how many waiting runs it woke.

        The same (name, key) counts once. The runs that it starts have the `headers`.

        Raises:
            ArgumentError, ValueRefusedError, OptionError: the name, the key, the data or the headers cannot be used.
            NoStoreError: there is no store.
        """
        carried = add_current_baggage(headers)
        published = await self.do(lambda engine, *, act: engine.publish(name, data, act=act, key=key, headers=carried))
        return int(published.woken)

    async def signal(self, run_id: str, name: str, value: Any = None) -> None:
        """Send a message to one run, or to the run that continues it. It reads the message with `run.receive(name)`.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended.
            ArgumentError, ValueRefusedError: name or value cannot be used, or the run's code cannot read the value.
        """
        await self.do(lambda engine, *, act: engine.signal(run_id, name, value, act=act))

    async def cancel(self, run_id: str, reason: str | None = None, *, undo: bool | None = None) -> None:
        """Cancel a run. A run without a worker ends at once; in another one CancelledError is raised at its await, and it may clean up.

        `undo` = whether its finished steps are undone, None = as `on_cancel` of its automation says.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended, or its rollback runs and cannot be skipped.
        """
        await self.do(lambda engine, *, act: engine.cancel(run_id, act=act, undo=undo), reason)

    async def pause(self, run_id: str, reason: str | None = None) -> None:
        """Pause a run: attempts under way finish, nothing else starts.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended or needs attention.
        """
        await self.do(lambda engine, *, act: engine.pause(run_id, act=act), reason)

    async def resume(self, run_id: str, reason: str | None = None) -> None:
        """Resume a paused run, or withdraw the request to pause it.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it is not paused.
        """
        await self.do(lambda engine, *, act: engine.resume(run_id, act=act), reason)

    async def retry(self, run_id: str, reason: str | None = None) -> None:
        """Continue a failed or halted run from where it failed: finished steps keep their results.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it neither failed nor needs attention.
        """
        await self.do(lambda engine, *, act: engine.retry(run_id, act=act), reason)

    async def answer(
        self, run_id: str, choice: object, note: str | None = None, *, question: str | None = None
    ) -> None:
        """Answer the open question of a run; `question` = its name or identity, where several are open.

        `choice` = one of its choices, or for a form its fields: a mapping, or a value of the class. `note` is stored with the answer.

        Raises:
            NotFoundError: there is no such open question.
            ValueRefusedError: the fields do not fit the form; `path` = the first of them.
            ArgumentError: the question does not offer this choice, or it is a form and this is a choice, or the other way round.
            ConflictError: several are open and none is named. The error lists them.
        """
        await self.do(lambda engine, *, act: engine.answer(run_id, choice, act=act, question=question, note=note))

    # -- forks ---------------------------------------------------------------------------------------------------------

    async def fork(
        self,
        run_id: str,
        from_step: str | None,
        reason: str | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        key: str | None = None,
        partition: str | None = None,
    ) -> "Handle[Any]":
        """Start a new run from a step of a finished one: it inherits all results from before the step, and does the rest.

        `from_step` None = from its end: it inherits all results. `arguments` = another input by name, all of it; None = that of the run.
        Without `key` and `partition` the fork has none. If a run has the key, that is the answer, and `created` of its handle is false.

        Raises:
            NotFoundError: there is no such run.
            UnknownNameError: it has no such step, or no worker has announced its automation.
            ConflictError: it has not ended, or is no workflow; an earlier step is in doubt or was undone.
            ArgumentError, ValueRefusedError: the arguments do not fit.
        """

        def operation(engine: RunEngine, /, *, act: OperationContext) -> StartAnswer:
            definition = engine.find_definition(engine.describe(run_id).automation)
            data = None if arguments is None else encode_arguments(definition, dict(arguments), self.sealing.limit)
            return engine.fork(definition, run_id, from_step, act=act, options=ForkOptions(data, key, partition))

        forked = await self.do(operation, reason)
        handle = self.handle(forked.run)
        handle.created = forked.created
        return handle

    # -- blocking twins, for programs without an event loop -------------------------------------------------------------

    def publish_sync(
        self, name: str, data: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Publish an event as `publish` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.publish(name, data, key=key, headers=headers), "app.publish")

    def signal_sync(self, run_id: str, name: str, value: Any = None) -> None:
        """Send a message as `signal` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.signal(run_id, name, value), "app.signal")

    def cancel_sync(self, run_id: str, reason: str | None = None, *, undo: bool | None = None) -> None:
        """Cancel a run as `cancel` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.cancel(run_id, reason, undo=undo), "app.cancel")

    def pause_sync(self, run_id: str, reason: str | None = None) -> None:
        """Pause a run as `pause` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.pause(run_id, reason), "app.pause")

    def resume_sync(self, run_id: str, reason: str | None = None) -> None:
        """Resume a run as `resume` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.resume(run_id, reason), "app.resume")

    def retry_sync(self, run_id: str, reason: str | None = None) -> None:
        """Continue a run as `retry` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.retry(run_id, reason), "app.retry")

    def answer_sync(self, run_id: str, choice: object, note: str | None = None, *, question: str | None = None) -> None:
        """Answer a question as `answer` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        run_blocking(self.answer(run_id, choice, note, question=question), "app.answer")

    def fork_sync(
        self,
        run_id: str,
        from_step: str | None,
        reason: str | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        key: str | None = None,
        partition: str | None = None,
    ) -> "Handle[Any]":
        """Fork a run as `fork` does, and block until that is committed. Raises ConflictError in the thread of a loop."""
        forked = self.fork(run_id, from_step, reason, arguments=arguments, key=key, partition=partition)
        return run_blocking(forked, "app.fork")

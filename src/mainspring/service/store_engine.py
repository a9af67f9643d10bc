"""The own engine behind its store, for programs, pages and commands."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.runs import run_start
from mainspring.service.runs.query import ask_query
from mainspring.service.runs.question import answer as answer_question
from mainspring.service.runs.run import cancel, pause, resume, retry
from mainspring.service.runs.run_fork import ForkOptions
from mainspring.service.runs.run_fork import fork as fork_run
from mainspring.service.runs.signal import signal as send_signal
from mainspring.service.runs.streams import StreamPage, read_stream
from mainspring.service.runs.update import request_update, start_with_update
from mainspring.service.triggers import event
from mainspring.store.commands.results import QueryStored, StartAnswer, UpdateStored
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import newest_of, query_view, questions, run_history, run_view, update_view
from mainspring.store.read.runs.streams import StreamView, describe_position, list_streams
from mainspring.store.views import QueryView, RunHistory, RunView, UpdateView, WaitView

_PLAIN = StartOptions()


class StoreEngine:
    """The `RunEngine` of a store. `sealing` seals the values that it writes; what it returns is as stored."""

    def __init__(self, store: ProcessStore, clock: Clock, sealing: Sealing = PLAIN_SEALING) -> None:
        self._store = store
        self._clock = clock
        self._sealing = sealing

    def find_definition(self, name: str) -> Definition:
        """Return the announced definition of an automation that can be started here."""
        return run_start.find_startable_definition(self._store.reader, name)

    def start(
        self, definition: Definition, data: bytes, *, act: OperationContext, options: StartOptions = _PLAIN
    ) -> StartAnswer:
        """Start a run; see `run_start.start`."""
        return run_start.start(
            self._store, self._clock, definition, data, act=act, options=options, sealing=self._sealing
        )

    def fork(
        self, definition: Definition, run: str, step: str | None, *, act: OperationContext, options: ForkOptions
    ) -> StartAnswer:
        """Start a new run from a step of a finished one; see `run_fork.fork`."""
        store, reads, clock, sealing = self._store, self._reads, self._clock, self._sealing
        return fork_run(store, reads, clock, definition, run, step, act=act, options=options, sealing=sealing)

    def start_with_update(
        self,
        definition: Definition,
        data: bytes,
        name: str,
        value: object = None,
        *,
        act: OperationContext,
        options: StartOptions = _PLAIN,
        request_id: str | None = None,
    ) -> UpdateStored:
        """Start a run and send it an update; see `update.start_with_update`."""
        store, clock, sealing = self._store, self._clock, self._sealing
        arguments = (store, clock, definition, data, name, value)
        return start_with_update(*arguments, act=act, options=options, request_id=request_id, sealing=sealing)

    def signal(self, run: str, name: str, value: object = None, *, act: OperationContext) -> None:
        """Send a message to a run; see `signal.signal`."""
        send_signal(self._store, self._reads, run, name, value, act=act, sealing=self._sealing)

    def publish(
        self,
        name: str,
        data: object,
        *,
        act: OperationContext,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> event.PublishResult:
        """Publish an event; see `event.publish`."""
        sealing = self._sealing
        return event.publish(self._store, self._clock, name, data, act=act, key=key, sealing=sealing, headers=headers)

    def request_update(
        self, run: str, name: str, value: object = None, *, act: OperationContext, request_id: str | None = None
    ) -> UpdateStored:
        """Send an update to a run; see `update.request_update`."""
        return request_update(self._store, run, name, value, act=act, request_id=request_id, sealing=self._sealing)

    def read_update(self, update: str) -> UpdateView:
        """Return an update with its reply."""
        return update_view(self._store.reader, update)

    def ask_query(self, run: str, name: str, value: object, within: timedelta) -> QueryStored:
        """Ask the code of a run about its state; see `query.ask_query`."""
        return ask_query(self._store, self._clock, run, name, value, within, self._sealing)

    def read_query(self, query: str) -> QueryView:
        """Return a query with its answer."""
        return query_view(self._store.reader, query)

    def answer(
        self, run: str, choice: object, *, act: OperationContext, question: str | None = None, note: str | None = None
    ) -> None:
        """Answer an open question of a run; see `question.answer`."""
        store, reads, sealing = self._store, self._reads, self._sealing
        answer_question(store, reads, run, choice, act=act, question=question, note=note, sealing=sealing)

    def cancel(self, run: str, *, act: OperationContext, undo: bool | None = None) -> None:
        """Request that a run stops; see `run.cancel`."""
        cancel(self._store, run, act=act, undo=undo)

    def pause(self, run: str, *, act: OperationContext) -> None:
        """Pause a run; see `run.pause`."""
        pause(self._store, run, act=act)

    def resume(self, run: str, *, act: OperationContext) -> None:
        """Resume a paused run; see `run.resume`."""
        resume(self._store, run, act=act)

    def retry(self, run: str, *, act: OperationContext, due_at: int | None = None) -> None:
        """Continue a failed or halted run; see `run.retry`."""
        retry(self._store, run, act=act, due_at=due_at)

    def describe(self, run: str) -> RunView:
        """Return the row of the run that continues this one."""
        reader = self._store.reader
        return run_view(reader, newest_of(reader, run))

    def read_history(self, run: str) -> RunHistory:
        """Return the history of the run that continues this one."""
        reader = self._store.reader
        return run_history(reader, newest_of(reader, run))

    def list_questions(self, names: Sequence[str] | None = None, *, limit: int = 500) -> list[WaitView]:
        """Return the open questions, oldest first."""
        return questions(self._store.reader, limit, names)

    def list_streams(self, run: str) -> list[StreamView]:
        """Return the streams of the run that continues this one."""
        return list_streams(self._store.reader, self.describe(run).id)

    def read_stream(self, run: str, stream: str, since: int = 0, *, limit: int = 1_000) -> StreamPage:
        """Return records of a stream; see `streams.read_stream`."""
        return read_stream(self._store.reader, RowUnsealer(self._sealing), run, stream, since, limit)

    def watch_stream(
        self, run: str, stream: str, since: int, on_more: Callable[[], object]
    ) -> contextlib.AbstractContextManager[None]:
        """Call `on_more` once the stream has a record after `since`, or the run has ended."""
        return self.watch_end(describe_position(run, stream, since), on_more)

    @contextlib.contextmanager
    def watch_end(self, run: str, on_end: Callable[[], object]) -> Iterator[None]:
        """Call `on_end` once the run has ended or needs a person, or the update has its reply."""
        waiters, fatal = self._store.end_waiters, self._store.committer.fatal
        if fatal is not None:
            raise fatal
        waiters.add(run, on_end, self._store.reader)
        try:
            yield
        finally:
            waiters.remove(run, on_end)

    @property
    def _reads(self) -> OperationReads:
        return OperationReads(self._store.reader)

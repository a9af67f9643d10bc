"""The protocol of an engine: all that programs, pages and commands need to start runs and to talk to them.

Another engine implements the same methods; `tests/contract/engine` is the suite of behaviours that each one must pass. Methods block; an
operation carries its actor, reason and command id, and the same command id again has no second effect. A method that names a run which
restarted (`run.restart`) is for the run that continues it, if it is about a live run.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.service.actor import OperationContext
from mainspring.service.runs.run_fork import ForkOptions
from mainspring.service.runs.streams import StreamPage
from mainspring.service.triggers.event import PublishResult
from mainspring.store.commands.results import QueryStored, StartAnswer, UpdateStored
from mainspring.store.read.runs.streams import StreamView
from mainspring.store.views import QueryView, RunHistory, RunView, UpdateView, WaitView


class RunEngine(Protocol):
    """Starts runs, steers them, and describes them. All methods on a run raise NotFoundError if there is none of its id."""

    # -- start ---------------------------------------------------------------------------------------------------------

    def find_definition(self, name: str) -> Definition:
        """Return the announced definition of an automation that can be started here.

        Raises:
            UnknownNameError: no worker has announced it; names the nearest.
            ConflictError: only its own caller starts it, or another version of Mainspring announced it.
        """
        ...

    def start(
        self, definition: Definition, data: bytes, *, act: OperationContext, options: StartOptions = ...
    ) -> StartAnswer:
        """Start a run with JSON arguments; return it, or the run that its key has.

        Raises:
            OptionError, BusyError, KeyConflictError, ConflictError: the start was refused.
        """
        ...

    def fork(
        self, definition: Definition, run: str, step: str | None, *, act: OperationContext, options: ForkOptions
    ) -> StartAnswer:
        """Start a new run from a step of a finished one, None = from its end.

        Raises:
            UnknownNameError, ConflictError: there is no such step, or the run cannot be forked there.
        """
        ...

    def start_with_update(
        self,
        definition: Definition,
        data: bytes,
        name: str,
        value: object = None,
        *,
        act: OperationContext,
        options: StartOptions = ...,
        request_id: str | None = None,
    ) -> UpdateStored:
        """Start a run, or find the one of its key, and send it an update: both or nothing. Raises as `start` and `request_update`."""
        ...

    # -- messages ------------------------------------------------------------------------------------------------------

    def signal(self, run: str, name: str, value: object = None, *, act: OperationContext) -> None:
        """Send a message to a run.

        Raises:
            ConflictError: it has ended.
            ValueRefusedError: the value cannot be saved, or the run's code cannot read it.
        """
        ...

    def publish(
        self,
        name: str,
        data: object,
        *,
        act: OperationContext,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PublishResult:
        """Publish an event to all runs that wait for it; runs that it starts have the `headers`.

        Raises:
            ValueRefusedError, ArgumentError, OptionError: the data, the name, the key or the headers cannot be used.
        """
        ...

    def answer(
        self, run: str, choice: object, *, act: OperationContext, question: str | None = None, note: str | None = None
    ) -> None:
        """Answer an open question of a run; `choice` = a choice, or the fields of its form (JSON object, or `FormWords`).

        Raises:
            NotFoundError, ArgumentError, ConflictError: there is no such question or choice, or several are open.
            ArgumentError, ValueRefusedError: it is a form and this is none, or the fields do not fit.
        """
        ...

    def request_update(
        self, run: str, name: str, value: object = None, *, act: OperationContext, request_id: str | None = None
    ) -> UpdateStored:
        """Send an update to a run; the same `request_id` is the same update. The reply is read by `read_update`.

        Raises:
            ArgumentError, ValueRefusedError: the name, the id or the value cannot be used.
            ConflictError: the run has ended, or the id was used for another update.
        """
        ...

    def read_update(self, update: str) -> UpdateView:
        """Return an update with its reply, values as they are stored. Raises NotFoundError."""
        ...

    def ask_query(self, run: str, name: str, value: object, within: timedelta) -> QueryStored:
        """Ask the code of a run about its state, also of a run that has ended. The answer is read by `read_query`; nothing of it is kept.

        Raises:
            ArgumentError, ValueRefusedError: the name or the value cannot be used.
            ConflictError: the run is no workflow.
            BusyError: no worker can answer now.
        """
        ...

    def read_query(self, query: str) -> QueryView:
        """Return a query with its answer, values as they are stored. Raises NotFoundError: its time is over."""
        ...

    # -- control -------------------------------------------------------------------------------------------------------

    def cancel(self, run: str, *, act: OperationContext, undo: bool | None = None) -> None:
        """Request that a run stops; `undo` = whether its steps are undone, None = as its definition says. Raises ConflictError."""
        ...

    def pause(self, run: str, *, act: OperationContext) -> None:
        """Pause a run: attempts under way finish, nothing else starts. Raises ConflictError."""
        ...

    def resume(self, run: str, *, act: OperationContext) -> None:
        """Resume a paused run. Raises ConflictError."""
        ...

    def retry(self, run: str, *, act: OperationContext, due_at: int | None = None) -> None:
        """Continue a failed or halted run from where it failed, not before `due_at` (ms UTC). Raises ConflictError."""
        ...

    # -- reads ---------------------------------------------------------------------------------------------------------

    def describe(self, run: str) -> RunView:
        """Return the state, input and result of a run, values as they are stored."""
        ...

    def read_history(self, run: str) -> RunHistory:
        """Return all that is stored about a run, values as they are stored."""
        ...

    def list_questions(self, names: Sequence[str] | None = None, *, limit: int = 500) -> list[WaitView]:
        """Return the open questions to people, oldest first, of all automations or these."""
        ...

    def list_streams(self, run: str) -> list[StreamView]:
        """Return the streams of a run by name; of a restarted run those of the newest one."""
        ...

    def read_stream(self, run: str, stream: str, since: int = 0, *, limit: int = 1_000) -> StreamPage:
        """Return records of a stream of this very run after the number `since`, and the run that continues it.

        Raises:
            Truncated: records after `since` were deleted.
            SealedError: a codec sealed the records, and this process does not have it.
        """
        ...

    def watch_stream(
        self, run: str, stream: str, since: int, on_more: Callable[[], object]
    ) -> AbstractContextManager[None]:
        """Within the context, call `on_more` once the stream has a record after `since`, or the run has ended or needs a person.

        Otherwise as `watch_end`.
        """
        ...

    def watch_end(self, run: str, on_end: Callable[[], object]) -> AbstractContextManager[None]:
        """Within the context, call `on_end` from any thread once the run has ended or needs a person.

        `run` may be the id of an update, for its reply, or of a query, for its answer.
        Read it inside the context: it may have ended before. A call may also come when the run cannot be read.

        Raises:
            StoreError: nothing more can be written here, so no end would be noticed.
        """
        ...

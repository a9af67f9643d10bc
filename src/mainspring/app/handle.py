"""A handle on one run: its id, its state, its result."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from mainspring.app.blocking import run_blocking
from mainspring.app.query import query_run
from mainspring.app.run_queries import RunDetails, StepInfo, make_details, make_step_info
from mainspring.app.update import await_reply
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.runs.log_line import LogLine
from mainspring.domain.runs.query import DEFAULT_WITHIN
from mainspring.domain.runs.run_file import RunFile
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.runs.update import REPLY_TIMEOUT_S, check_timeout
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.values.codec import decode
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import decode_result
from mainspring.engine.attempts.file_ref import bind_file, files_from
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.read.runs.run_views import newest_of, run_view
from mainspring.store.views import RunHistory, RunView, find_continuation

if TYPE_CHECKING:
    from mainspring.app.application import App
    from mainspring.domain.runs.stream import StreamRecord
    from mainspring.insight.runs.run_files import PlacedFile
    from mainspring.store.read.runs.streams import StreamView

T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V")


class Handle(Generic[T_co]):
    """Returned by `App.start` and `App.handle`. `id` = the id of the run. `created` = the run is new, else it was found.

    `T_co` = the type of its result.
    """

    def __init__(self, app: "App", run_id: str, signature: Signature | None, *, created: bool = True) -> None:
        self._app = app
        self._signature = signature
        self.id = run_id
        self.created = created

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    async def view(self) -> RunDetails[T_co]:
        """Return the run with its values; of a restarted run (`run.restart`) the run that continues it.

        Raises:
            SealedError: a codec sealed the values, and this app does not have it.
            ValueRefusedError: the result does not fit the annotation of today's code.
        """
        row = await self._row()
        with files_from(self._app.file_chunks):
            result = self._decode_result(row) if row.state is RunState.SUCCEEDED else None
        return make_details(ViewUnsealer(self._app.sealing).run(row), cast("T_co", result))

    async def status(self) -> RunState:
        """Return the run's state; of a restarted run that of the run that continues it."""
        return (await self._row()).state

    @overload
    async def published(self) -> Any: ...
    @overload
    async def published(self, type: type[V]) -> V | None: ...
    async def published(self, type: Any = Any) -> Any:
        """Return the last value that the run published (`run.publish_state`) as `type`; None = none so far.

        Also of a run that waits or has ended; of a restarted run that of the newest one.

        Raises:
            ValueRefusedError: the value does not fit the type.
            SealedError: a codec sealed the value, and this app does not have it.
        """
        data = (await self._row()).published
        if data is None:
            return None
        with files_from(self._app.file_chunks):
            return decode(self._app.sealing.open(data), annotation=type, value_name=f"state of run {self.id}")

    async def signal(self, name: str, value: Any = None) -> None:
        """Send a message to the run, or to the run that continues it.

        Raises:
            ConflictError: it has ended.
            ValueRefusedError: the value cannot be saved, or the run's code cannot read it.
        """
        await self._app.signal(self.id, name, value)

    def signal_sync(self, name: str, value: Any = None) -> None:
        """Send a message as `signal` does, and block this thread. Raises ConflictError in the thread of a loop."""
        run_blocking(self.signal(name, value), "handle.signal")

    async def update(
        self,
        name: str,
        value: Any = None,
        *,
        id: str | None = None,
        type: Any = Any,
        timeout: float | None = REPLY_TIMEOUT_S,
    ) -> Any:
        """Send a request to the run and return its reply, as `type`; the code of the run has `@run.on_update(name)`.

        It is applied once, whatever dies. The same `id` again is the same update, and returns the first reply; without one each call is
        another update. A run that waits and is not in memory is loaded for it. Of a restarted run the newest one gets it.
        `timeout` = seconds to wait for the reply, None = without limit.

        Raises:
            UpdateRejected: the code did not accept it.
            UpdateFailed: its handler raised. RunEnded: the run ended before it replied.
            RunFailed: the run needs attention. The update is stored, and is handled when the run continues.
            ConflictError: the run had ended, or is no workflow, or the id was used for another update.
            TimeoutError: there was no reply in time. The update stays in force.
        """
        check_timeout(timeout)
        stored = await self._app.do(
            lambda engine, *, act: engine.request_update(self.id, name, value, act=act, request_id=id)
        )
        return await await_reply(self._app, stored.id, type, timeout)

    def update_sync(
        self,
        name: str,
        value: Any = None,
        *,
        id: str | None = None,
        type: Any = Any,
        timeout: float | None = REPLY_TIMEOUT_S,
    ) -> Any:
        """Send a request as `update` does, and block this thread. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.update(name, value, id=id, type=type, timeout=timeout), "handle.update")

    async def query(self, name: str, value: Any = None, *, type: Any = Any, within: Any = DEFAULT_WITHIN) -> Any:
        """Ask the code of the run about its state and return the answer, as `type`; the code has `@run.on_query(name)`.

        It changes nothing and is in no journal. It works for a run that waits in no memory, and for one that has ended: a worker with its
        code calls the workflow function with the saved outcomes. Of a restarted run the newest one answers.

        Raises:
            QueryFailed: its function raised, or the code has none of this name.
            BusyError: no worker has its code, or none answered within the time.
            ConflictError: the run is no workflow.
        """
        return await query_run(self._app, self.id, name, value, type, within)

    def query_sync(self, name: str, value: Any = None, *, type: Any = Any, within: Any = DEFAULT_WITHIN) -> Any:
        """Ask as `query` does, and block this thread. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.query(name, value, type=type, within=within), "handle.query")

    @overload
    def stream(self, name: str, *, since: int = ..., follow: bool = ...) -> "AsyncIterator[StreamRecord[Any]]": ...
    @overload
    def stream(
        self, name: str, *, since: int = ..., type: type[V], follow: bool = ...
    ) -> "AsyncIterator[StreamRecord[V]]": ...
    def stream(
        self, name: str, *, since: int = 0, type: Any = Any, follow: bool = True
    ) -> "AsyncIterator[StreamRecord[Any]]":
        """Follow a stream of the run: `async for record in handle.stream("tokens")`. Values are of this `type`.

        It yields the records with a `seq` above `since` in their order, and then each new one, until the run has ended or needs a person.
        `follow=False`: only those that are there. A record of kind "retried" has no value: drop the older records of its `writer`
        whose `n` is at least that of the mark, because they are made again. It follows a restarted run (`run.restart`).

        Raises:
            Truncated: records after `since` were deleted; `error.at` = the first stored number.
            ValueRefusedError: a value does not fit the type.
            SealedError: a codec sealed the records, and this app does not have it.
        """
        from mainspring.app.streams import StreamCursor, follow_stream  # noqa: PLC0415 - see steps

        return follow_stream(StreamCursor(self._app, self.id, name, since, type, follow=follow))

    def stream_sync(
        self, name: str, *, since: int = 0, type: Any = Any, follow: bool = True
    ) -> "Iterator[StreamRecord[Any]]":
        """Follow a stream as `stream` does, and block this thread. Raises ConflictError in the thread of a loop."""
        from mainspring.app.streams import StreamCursor, follow_stream_sync  # noqa: PLC0415 - see steps

        return follow_stream_sync(StreamCursor(self._app, self.id, name, since, type, follow=follow))

    async def streams(self) -> "list[StreamView]":
        """Return the streams of the run by name; of a restarted run those of the newest one."""
        engine = await self._app.opened_engine()
        return await asyncio.to_thread(engine.list_streams, self.id)

    async def _row(self) -> RunView:
        engine = await self._app.opened_engine()
        return await asyncio.to_thread(engine.describe, self.id)

    async def steps(self) -> list[StepInfo]:
        """Return the steps, children and waits of the run in the order of their requests; of a restarted run those of the newest one.

        Raises:
            SealedError: a codec sealed the values, and this app does not have it.
        """
        from mainspring.insight.runs.steps import list_step_lines  # noqa: PLC0415 - programs that only start runs do not look

        history = await self.history()
        return [make_step_info(line) for line in list_step_lines(history) if line.superseded is None]

    async def history(self) -> RunHistory:
        """Return all that is stored about the run, with its values as JSON; of a restarted run about the newest one.

        Raises:
            SealedError: a codec sealed the values, and this app does not have it.
        """
        engine = await self._app.opened_engine()
        return ViewUnsealer(self._app.sealing).run_history(await asyncio.to_thread(engine.read_history, self.id))

    async def logs(self) -> list[LogLine]:
        """Return the lines that the run logged and printed, oldest first; of a restarted run those of the newest one."""
        from mainspring.service.runs.log_lines import read_lines  # noqa: PLC0415 - see steps
        from mainspring.store.read.runs.logs import parts_of  # noqa: PLC0415

        store = await self._app.opened_store()

        def read() -> list[LogLine]:
            parts = parts_of(store.reader, run_view(store.reader, newest_of(store.reader, self.id)).id)
            return read_lines(parts, RowUnsealer(self._app.sealing, lenient=True))

        return await asyncio.to_thread(read)

    async def files(self) -> list[RunFile]:
        """Return the files (`ms.FileRef`) in the stored values of the run; of a restarted run those of the newest one.

        Raises:
            SealedError: a codec sealed the values, and this app does not have it.
        """
        return [placed.describe() for placed in (await self._read_files())[1]]

    async def save_file(self, file: str | int, path: str | os.PathLike[str]) -> Path:
        """Write a file of the run to a path, 4 MiB at a time, and return the path. The path has all bytes or does not change.

        `file` = its number, its name, or the first digits of its SHA-256.

        Raises:
            NotFoundError: the run has no such file. ArgumentError: several files have this name, or the path is a folder.
            FileRefError: a part of the file is absent or damaged.
            SealedError: a codec sealed the values, and this app does not have it.
        """
        from mainspring.insight.runs.run_files import choose_run_file  # noqa: PLC0415 - see steps

        run_id, placed = await self._read_files()
        return await bind_file(choose_run_file(placed, run_id, file).file, self._app.file_chunks).save_to_async(path)

    async def _read_files(self) -> "tuple[str, list[PlacedFile]]":
        """Return the id of the newest run, and its files."""
        from mainspring.insight.runs.run_files import list_run_files  # noqa: PLC0415 - see steps
        from mainspring.store.read.runs.file_values import list_file_values  # noqa: PLC0415

        store = await self._app.opened_store()

        def read() -> "tuple[str, list[PlacedFile]]":
            run = run_view(store.reader, newest_of(store.reader, self.id))
            return run.id, list_run_files(list_file_values(store.reader, run.id), self._app.sealing)

        return await asyncio.to_thread(read)

    async def result(self, timeout: float | None = None) -> T_co:
        """Wait for the end and return the result, typed by the workflow's annotation.

        Returns at once when a worker in this process ends the run, else when the store tells of the commit: usually within some
        milliseconds, and within about 50 ms if the wakeup is lost. Follows a restarted run (`run.restart`) to the run that
        ends.

        Raises:
            RunFailed: it ended failed or cancelled, or needs attention.
            TimeoutError: it has not ended within `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        run_id = self.id
        while True:
            view = await self._await_end(run_id, until)
            if view is None:
                hint = f"To see why: mainspring explain {run_id}"
                raise TimeoutError(f"run {run_id} has not ended in {timeout} s; it is {await self.status()}. {hint}")
            successor_id = find_continuation(view)
            if successor_id is None:
                with files_from(self._app.file_chunks):
                    return cast("T_co", self._result_of(view))
            run_id = successor_id

    def result_sync(self, timeout: float | None = None) -> T_co:
        """Wait for the result as `result` does, and block this thread. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.result(timeout), "handle.result")

    def status_sync(self) -> RunState:
        """Return the state as `status` does, and block this thread. Raises ConflictError in the thread of a loop."""
        return run_blocking(self.status(), "handle.status")

    async def _await_end(self, run_id: str, until: float | None) -> RunView | None:
        """Return the row of the run once it has ended or needs attention; None when the time is over."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed while the run continued
                loop.call_soon_threadsafe(ended.set)

        while True:
            engine = await self._app.opened_engine()
            ended.clear()
            with engine.watch_end(run_id, wake):
                view = await asyncio.to_thread(engine.describe, run_id)
                if view.state in TERMINAL_STATES or view.state is RunState.NEEDS_ATTENTION:
                    return view
                if view.id == run_id:
                    left = None if until is None else max(until - time.monotonic(), 0)
                    try:
                        await asyncio.wait_for(ended.wait(), left)
                    except TimeoutError:
                        return None
                run_id = view.id

    def _result_of(self, view: RunView) -> Any:
        if view.state is not RunState.SUCCEEDED:
            raise RunFailed(view.id, view.state, self._app.sealing.open_failure(view.failure))
        return self._decode_result(view)

    def _decode_result(self, view: RunView) -> Any:
        if view.result is None:
            return None
        data = self._app.sealing.open(view.result)
        signature = self._signature or self._app.find_signature(view.automation, view.version)
        return decode(data) if signature is None else decode_result(signature, data, f"result of run {view.id}")

"""Follow a stream of a run from a program: read what is stored, then wait for more, until the run has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from mainspring.app.blocking import run_blocking
from mainspring.domain.runs.stream import StreamRecord, convert_record

if TYPE_CHECKING:
    from mainspring.app.application import App


class StreamCursor:
    """The position of a reader in a stream; `read` advances it. `since` = the number of the last record that was read."""

    def __init__(self, app: "App", run: str, name: str, since: int, kind: Any, *, follow: bool) -> None:
        self._app, self._run, self._name, self._since = app, run, name, since
        self._kind, self._follow = kind, follow

    async def read(self) -> list[StreamRecord[Any]] | None:
        """Return the next records once there are any; None = there will be no more. Raises as `Handle.stream`."""
        while True:
            engine = await self._app.opened_engine()
            page = await asyncio.to_thread(engine.read_stream, self._run, self._name, self._since)
            records = [convert_record(record, self._kind, self._name) for record in page.records]
            self._run, self._since = page.continued_by or self._run, page.next
            if records:
                return records
            if page.continued_by is None:
                if page.is_over or not self._follow:
                    return None
                await self._wait()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        has_more = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed while the run continued
                loop.call_soon_threadsafe(has_more.set)

        engine = await self._app.opened_engine()
        with engine.watch_stream(self._run, self._name, self._since, wake):
            await has_more.wait()


async def follow_stream(cursor: StreamCursor) -> AsyncIterator[StreamRecord[Any]]:
    """Yield the records of a stream."""
    while (records := await cursor.read()) is not None:
        for record in records:
            yield record


def follow_stream_sync(cursor: StreamCursor) -> Iterator[StreamRecord[Any]]:
    """Yield the records of a stream, and block this thread."""
    while (records := run_blocking(cursor.read(), "handle.stream", "async for record in {}(...)")) is not None:
        yield from records

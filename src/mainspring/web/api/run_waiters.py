"""Waiters for the end of a run: requests that hold no request place while they wait. Their number has its own limit.

A request beyond the limit is answered at once.
"""

import asyncio
from collections import Counter
from typing import Final

from starlette.requests import Request

from mainspring.domain.access.permissions import Visitor
from mainspring.web.api.call import HandlerContext
from mainspring.web.server.request_slots import release_slot

MOST: Final = 256
"""Requests that wait at a time. The server accepts this many connections more (web/process.py)."""
MOST_OF_ONE: Final = 64
"""The limit for one visitor."""


class RunWaiters:
    """The waiting requests of one process. Used in the loop's thread."""

    def __init__(self, site: HandlerContext) -> None:
        self._site = site
        self._waiting: dict[asyncio.Future[None], str] = {}
        """The visitor of each request."""
        self.closed = False

    @property
    def open(self) -> int:
        """The number of waiting requests."""
        return len(self._waiting)

    def has_capacity(self, visitor: Visitor) -> bool:
        """Whether one more request of this visitor may wait."""
        numbers = Counter(self._waiting.values())
        return not self.closed and len(self._waiting) < MOST and numbers[str(visitor)] < MOST_OF_ONE

    async def wait(self, run: str, visitor: Visitor, request: Request, within_s: float) -> bool:
        """Wait until the run has ended or needs a person; True = it probably has, so it must be read again.

        False = the time is over, the client disconnected, this process ends, or the limit is reached. Then the request keeps its place.
        """
        if not self.has_capacity(visitor):
            return False
        release_slot(request.scope)
        loop = asyncio.get_running_loop()
        end: asyncio.Future[None] = loop.create_future()

        def on_end() -> None:
            loop.call_soon_threadsafe(_set_done, end)

        waiters, reader = self._site.store.end_waiters, self._site.reader
        self._waiting[end] = str(visitor)
        disconnect = loop.create_task(_wait_for_disconnect(request))
        waiters.add(run, on_end, reader)
        try:
            await asyncio.wait({end, disconnect}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiters.remove(run, on_end)
            del self._waiting[end]
            disconnect.cancel()
        return end.done() and not self.closed

    def close(self) -> None:
        """End all waits."""
        self.closed = True
        for end in self._waiting:
            _set_done(end)


def _set_done(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

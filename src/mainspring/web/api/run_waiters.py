"""Requests that wait for the end of a run. They hold no request place while they wait; their number has a bound of its own.

A request that finds no room is answered at once.
"""

import asyncio
from collections import Counter
from typing import Final

from starlette.requests import Request

from mainspring.domain.access.permissions import Visitor
from mainspring.web.api.call import HandlerContext
from mainspring.web.server.request_slots import release_slot

MOST: Final = 256
"""Requests that wait at a time; the server takes so many connections more (web/process.py)."""
MOST_OF_ONE: Final = 64
"""Of them, those of one visitor."""


class RunWaiters:
    """Used in the loop's thread."""

    def __init__(self, site: HandlerContext) -> None:
        self._site = site
        self._waiting: dict[asyncio.Future[None], str] = {}
        """The visitor of each request."""
        self.closed = False

    @property
    def open(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def has_room(self, visitor: Visitor) -> bool:
        """Whether one more request of this visitor may wait."""
        numbers = Counter(self._waiting.values())
        return not self.closed and len(self._waiting) < MOST and numbers[str(visitor)] < MOST_OF_ONE

    async def wait(self, run: str, visitor: Visitor, request: Request, within_s: float) -> bool:
        """Wait until the run has ended or needs a person; True = it probably has, so it must be read again.

        False = the time is over, the client is gone, this process ends, or there is no room. Only a request that waits leaves its place.
        """
        if not self.has_room(visitor):
            return False
        release_slot(request.scope)
        loop = asyncio.get_running_loop()
        end: asyncio.Future[None] = loop.create_future()

        def on_end() -> None:
            loop.call_soon_threadsafe(_set_done, end)

        waiters, reader = self._site.store.end_waiters, self._site.reader
        self._waiting[end] = str(visitor)
        gone = loop.create_task(_wait_for_disconnect(request))
        waiters.add(run, on_end, reader)
        try:
            await asyncio.wait({end, gone}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiters.remove(run, on_end)
            del self._waiting[end]
            gone.cancel()
        return end.done() and not self.closed

    def close(self) -> None:
        """Let no one wait any more."""
        self.closed = True
        for end in self._waiting:
            _set_done(end)


def _set_done(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

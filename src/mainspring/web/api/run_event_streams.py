"""Server-sent events of one run, as it makes them: records of a stream, or lines of its log.

Invariants: a response holds no request place while it waits, and their number has its own limit; every few seconds the right of
the visitor to the run is checked again; the id of an event is its number, so a client continues where its connection broke.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mainspring.domain.access.permissions import Role, Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.values.plain_json import to_plain_json
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.web.api.call import ApiCall, HandlerContext
from mainspring.web.api.event_page import EventPage, NumberedEvent
from mainspring.web.api.event_response import EventResponse
from mainspring.web.api.problem import build_problem, problem_from_error
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.server.request_slots import release_slot

MOST: Final = 256
"""Responses at a time. The server accepts this many connections more (web/process.py)."""
MOST_OF_ONE: Final = 64
"""The limit for one visitor."""
_BEAT_S = 10.0

ReadPage = Callable[[ApiCall[Any, Any], int, str | None], Awaitable[EventPage]]
CheckVisitor = Callable[[], Awaitable[Visitor]]


class RunEventStreams:
    """The open responses of one process. Used in the loop's thread."""

    def __init__(self, site: HandlerContext) -> None:
        self._site = site
        self._open: dict[asyncio.Event, str] = {}
        """The visitor of each response, by the event that wakes it."""
        self._is_closed = False

    def respond(
        self, request: Request, call: ApiCall[Any, Any], read: ReadPage, check: CheckVisitor, first: EventPage
    ) -> Response:
        """Return the response that sends the page `first` and what follows. Raises ApiError: too many are open."""
        name = str(call.visitor)
        if self._is_closed or len(self._open) >= MOST or Counter(self._open.values())[name] >= MOST_OF_ONE:
            detail = f"{name} has {MOST_OF_ONE} open streams, or this process {MOST}"
            raise ApiError(build_problem(429, "too_many_streams", detail, hint="Close one.", retry_after_ms=10_000))
        release_slot(request.scope)
        wake = asyncio.Event()
        self._open[wake] = name
        events = self._events(call, read, check, first, wake)
        return EventResponse(events, lambda: self._open.pop(wake, None))

    def close(self) -> None:
        """End all responses."""
        self._is_closed = True
        for wake in self._open:
            wake.set()

    async def _events(
        self, call: ApiCall[Any, Any], read: ReadPage, check: CheckVisitor, page: EventPage, wake: asyncio.Event
    ) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        checked_at = asyncio.get_running_loop().time()
        while not self._is_closed:
            for event in page.events:
                yield _encode_event(event, call.visitor)
            if page.is_over and page.continued_by is None:
                yield b"event: end\ndata: {}\n\n"
                return
            if page.pause_s:
                await asyncio.sleep(page.pause_s)
            elif not page.events and page.continued_by is None and not await self._wait(page, wake):
                yield b": alive\n\n"
            try:
                if asyncio.get_running_loop().time() - checked_at >= _BEAT_S:
                    call = msgspec.structs.replace(call, visitor=await check())
                    checked_at = asyncio.get_running_loop().time()
                page = await read(call, page.next, page.continued_by or page.run)
            except ApiError as error:
                yield _encode_problem(error.problem)
                return
            except MainspringError as error:
                yield _encode_problem(problem_from_error(error))
                return

    async def _wait(self, page: EventPage, wake: asyncio.Event) -> bool:
        """Wait for the next event or the end of the run; False = the time for a sign of life has come."""
        loop, waiters = asyncio.get_running_loop(), self._site.store.end_waiters

        def on_more() -> None:
            loop.call_soon_threadsafe(wake.set)

        waiters.add(page.place, on_more, self._site.reader)
        try:
            await asyncio.wait_for(wake.wait(), _BEAT_S)
        except TimeoutError:
            return False
        finally:
            waiters.remove(page.place, on_more)
            if not self._is_closed:
                wake.clear()
        return True


def _encode_event(event: NumberedEvent, visitor: Visitor) -> bytes:
    data = to_plain_json(event.data)
    # As in responses: what a run writes may hold a secret, which only operators need to see.
    data = data if visitor.may(Role.OPERATOR) else KNOWN_SECRETS.redactor.hide_known(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), msgspec.json.encode(data))


def _encode_problem(problem: Any) -> bytes:
    fields = {name: value for name, value in msgspec.structs.asdict(problem).items() if value is not None}
    return b"event: problem\ndata: %s\n\n" % msgspec.json.encode(fields)

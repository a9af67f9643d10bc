"""Which nouns changed, as a stream of server-sent events; not how they changed: whoever hears of it looks again.

While somebody listens the store is looked at once a second, however many they are: by marks that change with what they stand for.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mainspring.domain.access import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.store.base import Reader
from mainspring.store.reads import bulk, incidents, logs, outbox, status
from mainspring.store.reads import runs as runs_read
from mainspring.store.reads import triggers as triggers_read
from mainspring.web.api.asked import WrongError
from mainspring.web.api.call import Site
from mainspring.web.api.problem import problem

if TYPE_CHECKING:
    from mainspring.web.api.door import Gate

MOST: Final = 32
"""Streams at a time."""
MOST_OF_ONE: Final = 8
"""Of them, those of one visitor: whoever forgets to close its own takes no place from the others."""
_EVERY_S = 1.0
_BEATS = 15
"""Looks without news after which a sign of life is sent."""
_NEWEST = 200
_MINUTES_MS = 120_000
_LOG = logging.getLogger("mainspring.web.api")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
Marks = dict[str, str]
OF_AUTOMATIONS: Final = frozenset({"runs", "logs", "questions", "incidents", "automations", "deliveries", "bulk"})
"""Nouns that belong to automations: of the others only those hear who are for all."""


async def _pause() -> None:
    await asyncio.sleep(_EVERY_S)


class _News:
    """What one listener (`who`) has not heard yet: each noun once, however long it does not listen."""

    def __init__(self, who: str) -> None:
        self.who = who
        self._nouns: frozenset[str] = frozenset()
        self._come = asyncio.Event()
        self._is_over = False

    def tell(self, nouns: frozenset[str]) -> None:
        """Add nouns; none = a sign of life."""
        self._nouns |= nouns
        self._come.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self._is_over = True
        self._come.set()

    async def next(self) -> frozenset[str] | None:
        """Wait for news and return them; None = it is over."""
        await self._come.wait()
        self._come.clear()
        nouns, self._nouns = self._nouns, frozenset()
        return None if self._is_over else nouns


class Changes:
    """The streams of one process. `pause` is waited for between two looks."""

    def __init__(self, gate: "Gate", site: Site, pause: Callable[[], Awaitable[None]] = _pause) -> None:
        self._gate = gate
        self._site = site
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mainspring-changes")
        self._listening: set[_News] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self._before: Marks | None = None

    @property
    def open(self) -> int:
        """How many listen."""
        return len(self._listening)

    def stream(self, request: Request, visitor: Visitor) -> Response:
        """Return an answer that goes on until its asker goes, is no longer let in, or this process ends. Raises WrongError.

        It begins with all nouns, so that nothing is missed between what its asker knew before and the first look.
        """
        if self._closed or len(self._listening) >= MOST:
            raise WrongError(problem(503, "too_many_streams", f"{MOST} streams are open", retry_after_ms=10_000))
        news = _News(str(visitor))
        if sum(one.who == news.who for one in self._listening) >= MOST_OF_ONE:
            said = f"{news.who} has {MOST_OF_ONE} streams open"
            raise WrongError(problem(429, "too_many_streams", said, hint="Close one.", retry_after_ms=10_000))
        self._listening.add(news)
        if self._before is not None:
            news.tell(frozenset(self._before))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return _Stream(self._told(request, visitor, news), news, self._listening)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for news in self._listening:
            news.end()
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _told(self, request: Request, visitor: Visitor, news: _News) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        while (nouns := await news.next()) is not None:
            found = await self._gate.visitor(request)
            if isinstance(found, Response) or str(found) != str(visitor):
                return
            seen = sorted(nouns if found.is_for_all else nouns & OF_AUTOMATIONS)
            yield b"event: changed\ndata: " + msgspec.json.encode({"nouns": seen}) + b"\n\n" if seen else b": alive\n\n"

    async def _look(self) -> None:
        """Look until nobody listens any more."""
        still = 0
        while self._listening:
            marks = await self._marks()
            changed: frozenset[str] = frozenset()
            if marks is not None:
                before, self._before = self._before or {}, marks
                changed = frozenset(noun for noun, mark in marks.items() if before.get(noun) != mark)
            still = 0 if changed else still + 1
            if changed or still % _BEATS == 0:
                for news in self._listening:
                    news.tell(changed)
            await self._pause()
        self._before = None

    async def _marks(self) -> Marks | None:
        """Return the marks of now; None while the store cannot be asked."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        except MainspringError:
            return None  # it is away, which is told elsewhere
        except Exception:  # noqa: BLE001 - one look that fails must not end the streams
            _LOG.exception("changes cannot be looked for")
            return None

    def _read(self) -> Marks:
        return marks_of(self._site.reader, self._site.clock.now())


class _Stream(StreamingResponse):
    """Gives its place back when it ends, however it ends."""

    def __init__(self, told: AsyncIterator[bytes], news: _News, listening: set[_News]) -> None:
        super().__init__(told, headers=_HEADERS, media_type="text/event-stream")
        self._news, self._places = news, listening

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.discard(self._news)


def marks_of(reader: Reader, now: int) -> Marks:
    """Return a mark of each noun, which is another one when it changed. Each is made of few rows, whatever their number in the store."""
    acts = [one.seq for one in status.audit_rows(reader, limit=1)]
    queues = status.queue_views(reader)
    sums = status.sums_since(reader, now - _MINUTES_MS)
    newest = runs_read.list_runs(reader, limit=_NEWEST).runs
    found: dict[str, Any] = {
        # An act may have changed any run; what moved a run without one is in the figures, or among the newest.
        "runs": [newest, [(one.name, one.running, one.backlog) for one in queues], sums, acts],
        "logs": logs.newest_part(reader),
        "questions": [(one.run, one.ident) for one in runs_read.questions(reader, _NEWEST)],
        "incidents": [
            (one.id, one.changed_at, one.number) for one in incidents.incidents(reader, wrong=False, limit=_NEWEST)
        ],
        "automations": [status.automations(reader), status.schedules(reader)],
        "deliveries": triggers_read.deliveries(reader, limit=_NEWEST).deliveries,
        "bulk": [(one.id, one.state, one.done, one.refused) for one in bulk.bulk_acts(reader, limit=_NEWEST)],
        "queues": queues,
        "workers": [msgspec.structs.replace(one, beat_at=0) for one in status.sessions(reader, limit=1_000)],
        "locks": status.locks(reader),
        "outbox": [outbox.list_outbox_queues(reader), outbox.list_refused_messages(reader)],
        "audit-log": acts,
    }
    return {
        noun: hashlib.blake2b(msgspec.json.encode(rows), digest_size=16).hexdigest() for noun, rows in found.items()
    }

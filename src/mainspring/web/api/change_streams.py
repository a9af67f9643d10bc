"""Which nouns changed, as a stream of server-sent events; not how they changed: whoever hears of it looks again.

While somebody listens the store is looked at once a second, however many they are: by marks that change with what they stand for, of all
or of the automations that somebody sees, and for who of them is still let in. Of a crowd only so many are told at a time, who waits longest
first: each of them asks for its page again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.store.read.status.change_tokens import ChangeTokens, read_change_tokens
from mainspring.store.read.status.visible_change_tokens import read_visible_change_tokens
from mainspring.web.api.call import HandlerContext, RequestAuthenticator
from mainspring.web.api.problem import build_problem
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.auth.authenticator import CredentialKey

MOST: Final = 256
"""Streams at a time; the server takes so many requests more (web/process.py), so that streams keep none of them waiting."""
MOST_OF_ONE: Final = 32
"""Of them, those of one visitor: a tab has one while it is seen, and who came in by the start-up link is one visitor on all its screens."""
_LISTENERS_AT_ONCE = 50
"""Listeners that one look tells of something: two hundred tabs are a page each four seconds, not two hundred pages a second."""
_POLL_EVERY_S = 1.0
_POLLS_PER_HEARTBEAT = 15
"""Looks without news after which a sign of life is sent."""
_LOG = logging.getLogger("mainspring.web.api")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
VisiblePart = tuple[str, ...] | None
"""Of which automations somebody hears: the patterns of a visitor, None = of all."""
OF_AUTOMATIONS: Final = frozenset({"runs", "logs", "questions", "incidents", "automations", "deliveries", "bulk"})
"""Nouns that belong to automations: of the others only those hear who are for all."""


async def _pause() -> None:
    await asyncio.sleep(_POLL_EVERY_S)


class _ChangeListener:
    """What one listener has not heard yet: each noun once, however long it does not listen. `key` = by what it came in."""

    def __init__(self, visitor: Visitor, key: CredentialKey | None) -> None:
        self.visitor = visitor
        self.who = str(visitor)
        self.key = key
        self.owed: frozenset[str] = frozenset()
        """What it is told at one of the next looks."""
        self.told_in = 0
        """The look that told it something last."""
        self._nouns: frozenset[str] = frozenset()
        self._come = asyncio.Event()
        self._is_over = False

    def tell(self) -> None:
        """Tell it what it is owed; nothing = a sign of life."""
        self._nouns |= self.owed
        self.owed = frozenset()
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


class ChangeStreams:
    """The streams of one process. `pause` is waited for between two looks."""

    def __init__(
        self, gate: "RequestAuthenticator", site: HandlerContext, pause: Callable[[], Awaitable[None]] = _pause
    ) -> None:
        self._gate = gate
        self._site = site
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mainspring-changes")
        self._listening: dict[_ChangeListener, None] = {}
        """In the order in which they came."""
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self._before: Mapping[VisiblePart, ChangeTokens] = {}

    @property
    def open(self) -> int:
        """How many listen."""
        return len(self._listening)

    def stream(self, request: Request, visitor: Visitor) -> Response:
        """Return an answer that goes on until its asker goes, is no longer let in, or this process ends. Raises ApiError.

        It begins with all nouns, so that nothing is missed between what its asker knew before and the first look.
        """
        news = _ChangeListener(visitor, self._gate.key(request))
        self._make_place(news.who)
        self._listening[news] = None
        before = self._before.get(visitor.automations)
        if before is not None:
            news.owed = frozenset(before)
            news.tell()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return _EventStream(_encode_events(news), news, self._listening)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for news in self._listening:
            news.end()
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make_place(self, who: str) -> None:
        """Make room for one more stream of a visitor: where all places are taken, by the oldest of who has most. Raises ApiError."""
        of = Counter(one.who for one in self._listening)
        if of[who] >= MOST_OF_ONE:
            said = f"{who} has {MOST_OF_ONE} streams open"
            raise ApiError(build_problem(429, "too_many_streams", said, hint="Close one.", retry_after_ms=10_000))
        if not self._closed and len(self._listening) < MOST:
            return
        most = max(of, key=lambda one: of[one], default=who)
        if self._closed or of[most] <= of[who] + 1:
            raise ApiError(build_problem(503, "too_many_streams", f"{MOST} streams are open", retry_after_ms=10_000))
        oldest = next(one for one in self._listening if one.who == most)
        oldest.end()
        del self._listening[oldest]

    async def _look(self) -> None:
        """Look until nobody listens any more."""
        look = 0
        while self._listening:
            look += 1
            asked = list(self._listening)
            found = await self._found([one.key for one in asked if one.key is not None])
            changed: Mapping[VisiblePart, frozenset[str]] = {}
            if found is not None:
                marks, visitors = found
                _end_unauthorized(asked, visitors)  # who came meanwhile was let in by itself
                changed = {part: _changed_nouns(self._before.get(part, {}), now) for part, now in marks.items()}
                self._before = marks
            if any(changed.values()):
                # Who is told of it and asks is answered by what is so now, not by what was judged before.
                self._site.kept.forget()
            # Counted by looks alone: a sign that is late because of others' news would tell of those.
            self._tell(changed, look, is_beat=look % _POLLS_PER_HEARTBEAT == 0)
            await self._pause()
        self._before = {}

    def _tell(self, changed: "Mapping[VisiblePart, frozenset[str]]", look: int, *, is_beat: bool) -> None:
        for news in self._listening:
            news.owed |= changed.get(news.visitor.automations, frozenset())
        for news in sorted((one for one in self._listening if one.owed), key=lambda one: one.told_in)[
            :_LISTENERS_AT_ONCE
        ]:
            news.told_in = look
            news.tell()
        if is_beat:
            for news in self._listening:
                news.tell()

    async def _found(
        self, keys: list[CredentialKey]
    ) -> tuple[Mapping[VisiblePart, ChangeTokens], Mapping[CredentialKey, Visitor]] | None:
        """Return the marks of now, and who comes in by these keys; None while the store cannot be asked."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, keys)
        except MainspringError:
            return None  # it is away, which is told elsewhere
        except Exception:  # noqa: BLE001 - one look that fails must not end the streams
            _LOG.exception("changes cannot be looked for")
            return None

    def _read(
        self, keys: list[CredentialKey]
    ) -> tuple[Mapping[VisiblePart, ChangeTokens], Mapping[CredentialKey, Visitor]]:
        visitors, reader, now = self._gate.still(keys), self._site.reader, self._site.clock.now()
        parts = {one.automations: one for one in visitors.values()}
        marks = {
            part: read_change_tokens(reader, now)
            if one.is_for_all
            else read_visible_change_tokens(reader, now, one.may_see)
            for part, one in parts.items()
        }
        return marks, visitors


def _changed_nouns(before: ChangeTokens, now: ChangeTokens) -> frozenset[str]:
    return frozenset(noun for noun, mark in now.items() if before.get(noun) != mark)


def _end_unauthorized(listening: Iterable[_ChangeListener], visitors: Mapping[CredentialKey, Visitor]) -> None:
    """End the streams of those who are no longer let in; the others are who they are now."""
    for news in listening:
        visitor = visitors.get(news.key) if news.key is not None else None
        if visitor is None or str(visitor) != news.who:
            news.end()
        else:
            news.visitor = visitor


async def _encode_events(news: _ChangeListener) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    while (nouns := await news.next()) is not None:
        seen = sorted(nouns if news.visitor.is_for_all else nouns & OF_AUTOMATIONS)
        yield b"event: changed\ndata: " + msgspec.json.encode({"nouns": seen}) + b"\n\n" if seen else b": alive\n\n"


class _EventStream(StreamingResponse):
    """Gives its place back when it ends, however it ends."""

    def __init__(
        self, told: AsyncIterator[bytes], news: _ChangeListener, listening: dict[_ChangeListener, None]
    ) -> None:
        super().__init__(told, headers=_HEADERS, media_type="text/event-stream")
        self._news, self._places = news, listening

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._places.pop(self._news, None)

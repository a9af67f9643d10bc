"""Change streams: the nouns that changed, as server-sent events. A client that receives one reads its page again.

While there are listeners, the store is polled once a second, however many they are: for change tokens, of all automations or of those
that a listener sees, and for the listeners who still have access. Only a limited number is notified at once, the longest waiting first,
because each of them then requests its page.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.store.read.status.change_tokens import ChangeTokens, read_change_tokens
from mainspring.store.read.status.visible_change_tokens import read_visible_change_tokens
from mainspring.web.api.call import HandlerContext, RequestAuthenticator
from mainspring.web.api.event_response import EventResponse
from mainspring.web.api.problem import build_problem
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.auth.authenticator import CredentialKey

MOST: Final = 256
"""Streams at a time. The server accepts this many requests more (web/process.py), so that streams delay none."""
MOST_OF_ONE: Final = 32
"""The limit for one visitor. A visible tab has one stream; all screens signed in by the start-up link are one visitor."""
_LISTENERS_AT_ONCE = 50
"""Listeners that one poll notifies: two hundred tabs are a page each four seconds, not two hundred pages a second."""
_POLL_EVERY_S = 1.0
_POLLS_PER_HEARTBEAT = 15
"""Polls without news until a heartbeat is sent."""
_LOG = logging.getLogger("mainspring.web.api")
VisiblePart = tuple[str, ...] | None
"""The automations whose changes a listener receives: the patterns of a visitor, None = all."""
OF_AUTOMATIONS: Final = frozenset({"runs", "logs", "questions", "incidents", "automations", "deliveries", "bulk"})
"""Nouns that belong to automations. The other nouns are sent only to visitors who see all automations."""


async def _pause() -> None:
    await asyncio.sleep(_POLL_EVERY_S)


class _ChangeListener:
    """The pending changes of one listener: each noun once. `key` = the credential it was opened with."""

    def __init__(self, visitor: Visitor, key: CredentialKey | None) -> None:
        self.visitor = visitor
        self.name = str(visitor)
        self.key = key
        self.owed: frozenset[str] = frozenset()
        """The nouns that one of the next polls sends."""
        self.notified_in = 0
        """The poll that notified it last."""
        self._nouns: frozenset[str] = frozenset()
        self._has_news = asyncio.Event()
        self._is_ended = False

    def notify(self) -> None:
        """Hand over the owed nouns; none = a heartbeat."""
        self._nouns |= self.owed
        self.owed = frozenset()
        self._has_news.set()

    def end(self) -> None:
        """End the stream."""
        self._is_ended = True
        self._has_news.set()

    async def next(self) -> frozenset[str] | None:
        """Wait for news and return them; None = the stream has ended."""
        await self._has_news.wait()
        self._has_news.clear()
        nouns, self._nouns = self._nouns, frozenset()
        return None if self._is_ended else nouns


class ChangeStreams:
    """The change streams of one process. `pause` is awaited between two polls."""

    def __init__(
        self, authenticator: "RequestAuthenticator", site: HandlerContext, pause: Callable[[], Awaitable[None]] = _pause
    ) -> None:
        self._authenticator = authenticator
        self._site = site
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mainspring-changes")
        self._listening: dict[_ChangeListener, None] = {}
        """In the order of their requests."""
        self._poller: asyncio.Task[None] | None = None
        self._closed = False
        self._last_tokens: Mapping[VisiblePart, ChangeTokens] = {}

    @property
    def open(self) -> int:
        """The number of listeners."""
        return len(self._listening)

    def stream(self, request: Request, visitor: Visitor) -> Response:
        """Return a response that continues until its client disconnects, loses its access, or this process ends. Raises ApiError.

        It begins with all nouns, so that no change is missed between the client's last read and the first poll.
        """
        listener = _ChangeListener(visitor, self._authenticator.key(request))
        self._make_place(listener.name)
        self._listening[listener] = None
        tokens = self._last_tokens.get(visitor.automations)
        if tokens is not None:
            listener.owed = frozenset(tokens)
            listener.notify()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())
        return EventResponse(_encode_events(listener), lambda: self._listening.pop(listener, None))

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for listener in self._listening:
            listener.end()
        if self._poller is not None:
            self._poller.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make_place(self, name: str) -> None:
        """Make room for one more stream of a visitor. If all are taken, end the oldest of the visitor with most. Raises ApiError."""
        counts = Counter(listener.name for listener in self._listening)
        if counts[name] >= MOST_OF_ONE:
            detail = f"{name} already has {MOST_OF_ONE} open streams"
            raise ApiError(build_problem(429, "too_many_streams", detail, hint="Close one.", retry_after_ms=10_000))
        if not self._closed and len(self._listening) < MOST:
            return
        most = max(counts, key=lambda name: counts[name], default=name)
        if self._closed or counts[most] <= counts[name] + 1:
            raise ApiError(
                build_problem(503, "too_many_streams", f"{MOST} streams are already open", retry_after_ms=10_000)
            )
        oldest = next(listener for listener in self._listening if listener.name == most)
        oldest.end()
        del self._listening[oldest]

    async def _poll(self) -> None:
        """Poll until there are no listeners."""
        poll_number = 0
        while self._listening:
            poll_number += 1
            listeners = list(self._listening)
            read = await self._read_changes([listener.key for listener in listeners if listener.key is not None])
            changed: Mapping[VisiblePart, frozenset[str]] = {}
            if read is not None:
                tokens, visitors = read
                _end_unauthorized(
                    listeners, visitors
                )  # listeners that came meanwhile were authenticated by their request
                changed = {part: _changed_nouns(self._last_tokens.get(part, {}), now) for part, now in tokens.items()}
                self._last_tokens = tokens
            if any(changed.values()):
                # A listener that asks after this notice gets the present state, not a cached one.
                self._site.project_status.forget()
            # Counted by polls alone: a heartbeat delayed by others' news would reveal them.
            self._notify_listeners(changed, poll_number, is_beat=poll_number % _POLLS_PER_HEARTBEAT == 0)
            await self._pause()
        self._last_tokens = {}

    def _notify_listeners(
        self, changed: "Mapping[VisiblePart, frozenset[str]]", poll_number: int, *, is_beat: bool
    ) -> None:
        for listener in self._listening:
            listener.owed |= changed.get(listener.visitor.automations, frozenset())
        for listener in sorted(
            (listener for listener in self._listening if listener.owed), key=lambda listener: listener.notified_in
        )[:_LISTENERS_AT_ONCE]:
            listener.notified_in = poll_number
            listener.notify()
        if is_beat:
            for listener in self._listening:
                listener.notify()

    async def _read_changes(
        self, keys: list[CredentialKey]
    ) -> tuple[Mapping[VisiblePart, ChangeTokens], Mapping[CredentialKey, Visitor]] | None:
        """Return the present change tokens and the visitors of these credentials; None while the store is unreachable."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, keys)
        except MainspringError:
            return None  # the store is unreachable, which is reported elsewhere
        except Exception:  # noqa: BLE001 - one failed poll must not end the streams
            _LOG.exception("changes cannot be read")
            return None

    def _read(
        self, keys: list[CredentialKey]
    ) -> tuple[Mapping[VisiblePart, ChangeTokens], Mapping[CredentialKey, Visitor]]:
        visitors, reader, now = self._authenticator.current_visitors(keys), self._site.reader, self._site.clock.now()
        parts = {visitor.automations: visitor for visitor in visitors.values()}
        tokens = {
            part: read_change_tokens(reader, now)
            if visitor.is_for_all
            else read_visible_change_tokens(reader, now, visitor.may_view)
            for part, visitor in parts.items()
        }
        return tokens, visitors


def _changed_nouns(before: ChangeTokens, now: ChangeTokens) -> frozenset[str]:
    return frozenset(noun for noun, token in now.items() if before.get(noun) != token)


def _end_unauthorized(listening: Iterable[_ChangeListener], visitors: Mapping[CredentialKey, Visitor]) -> None:
    """End the streams of visitors without access, and update the visitors of the others."""
    for listener in listening:
        visitor = visitors.get(listener.key) if listener.key is not None else None
        if visitor is None or str(visitor) != listener.name:
            listener.end()
        else:
            listener.visitor = visitor


async def _encode_events(listener: _ChangeListener) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    while (nouns := await listener.next()) is not None:
        visible_nouns = sorted(nouns if listener.visitor.is_for_all else nouns & OF_AUTOMATIONS)
        yield (
            b"event: changed\ndata: " + msgspec.json.encode({"nouns": visible_nouns}) + b"\n\n"
            if visible_nouns
            else b": alive\n\n"
        )

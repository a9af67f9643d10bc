"""The entrance: an ASGI application around all others. Each request passes the gate, but for the doors that are named here.

Whatever is added behind it is closed until somebody names it a door. Every answer leaves with the headers that keep browsers from harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainspring.domain.errors import MainspringError
from mainspring.web.gate import API, SAFE, VISITOR, Gate, path_of
from mainspring.web.own_site import OwnSite

OUTSIDE: Final = ("/healthz", "/readyz", "/metrics", "/i/", "/assets/")
"""Doors with a guard of their own, or for everybody; one that ends in "/" is all that lies below it."""
PROBES: Final = ("/healthz", "/readyz")
"""Answered however many others wait: who asks them ends a process that is silent."""
LASTING: Final = "/api/v1/changes"
"""Lasts as long as its page; streams have a bound of their own."""
MOST_INSIDE: Final = 100
"""Requests that are answered at a time; who comes then is told so at once, and waits nowhere."""
WAYS_IN: Final = ("/sign-in", "/first", "/oidc/start", "/oidc/back")
"""Pages that let somebody in."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
STRICT: Final = "max-age=31536000"
FORM: Final = "mainspring.form"
"""In the scope of a request: the fields of its form, each the last one given."""
FORM_WITHIN_S: Final = 10.0
LARGEST_FORM: Final = 1024 * 1024
MOST_FIELDS: Final = 500
"""Bounds of a form of whoever is in: that of a run has some 400 fields at most, and a text in it may be as large as a value."""
LARGEST_OF_STRANGERS: Final = 64 * 1024
MOST_OF_STRANGERS: Final = 50
"""Bounds of all other forms, which are short."""
_FORM = "application/x-www-form-urlencoded"


def is_door(path: str, doors: tuple[str, ...]) -> bool:
    """Tell whether a path is one of these doors."""
    return any(path.startswith(door) if door.endswith("/") else path == door for door in doors)


class Entrance:
    """`closed` says why no page is served at present, with what to do; None = they are."""

    def __init__(self, inner: ASGIApp, gate: Gate, site: OwnSite, closed: Callable[[], Awaitable[str | None]]) -> None:
        self._inner = inner
        self._gate = gate
        self._site = site
        self._closed = closed
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        guarded = self._guarded(send)
        if is_door(scope["path"], (*PROBES, LASTING)):
            await self._answer(scope, receive, guarded)
            return
        if self._inside >= MOST_INSIDE:
            # Its connection ends with it: a crowd's would keep out who asks next.
            busy = self._gate.refuse(Request(scope), 503, "too_busy", "too many ask at once: ask again", retry_after=1)
            busy.headers["Connection"] = "close"
            await busy(scope, receive, guarded)
            return
        self._inside += 1
        try:
            await self._answer(scope, receive, guarded)
        finally:
            self._inside -= 1

    async def _answer(self, scope: Scope, receive: Receive, guarded: Send) -> None:
        refused = None
        if not is_door(scope["path"], OUTSIDE):
            try:
                refused = await self._refused(Request(scope, receive))
            except ClientDisconnect:
                return
        await (refused or self._inner)(scope, receive, guarded)

    async def _refused(self, request: Request) -> Response | None:
        """Return what is answered instead of the page; None = it may be asked for."""
        why = await self._closed()
        if why is not None:
            return PlainTextResponse(f"{why}\n", 503, {"Retry-After": "5"})
        if _sends_form(request):
            try:
                is_known = not is_door(path_of(request), WAYS_IN) and await self._gate.knows(request)
            except MainspringError:
                return self._gate.away(request)
            form = await read_form(request, *((LARGEST_FORM, MOST_FIELDS) if is_known else ()))
            if form is None:
                return PlainTextResponse("this is no form of ours, and nothing was done\n", 413)
            request.scope[FORM] = form
        if is_door(path_of(request), WAYS_IN):
            return self._stranger(request)
        found = await self._gate.visitor(request, request.scope.get(FORM, {}).get("form"))
        if isinstance(found, Response):
            return found
        request.scope[VISITOR] = found
        return None

    def _stranger(self, request: Request) -> Response | None:
        """Refuse whoever asks too often, and a form of another site: it could sign somebody in as somebody else."""
        if not self._gate.lets_stranger(request):
            return self._gate.refuse(request, 429, "too_often", "too many requests", retry_after=1)
        if request.method not in SAFE and not self._site.is_own(request):
            return self._gate.refuse(request, 403, "other_site", "this came from another site, and nothing was done")
        return None

    def _guarded(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._site.is_secure:
                    headers.setdefault("Strict-Transport-Security", STRICT)
            await send(message)

        return guarded


def _sends_form(request: Request) -> bool:
    """Tell whether a page of ours sent this: the API takes no forms and reads its bodies itself, and what only looks has none."""
    if request.method in SAFE or path_of(request).startswith(API):
        return False
    return is_form(request)


def is_form(request: Request) -> bool:
    """Tell whether a request says that its body is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM


async def read_form(
    request: Request, largest: int = LARGEST_OF_STRANGERS, most: int = MOST_OF_STRANGERS
) -> dict[str, str] | None:
    """Return the fields of a form; None where it is none, or too large (bytes, fields) or too slow. Raises ClientDisconnect.

    NUL is no character of a form: no field of a browser can hold it, and not every database takes it.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > largest:
                    return None
    except TimeoutError:
        return None
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        return None
    found = {name: values[-1] for name, values in fields.items()}
    return None if any("\x00" in text for pair in found.items() for text in pair) else found

"""The entrance: an ASGI application around all others. Each request passes the gate, but for the doors that are named here.

Whatever is added behind it is closed until somebody names it a door. Every answer leaves with the headers that keep browsers from harm.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainspring.domain.errors import MainspringError
from mainspring.web.auth.authenticator import API_PATH, SAFE_METHODS, VISITOR_KEY, Authenticator, request_path
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.server.form_reader import FormReader, anonymous_form_reader, is_form
from mainspring.web.server.request_slots import SLOT_KEY, RequestSlots

PUBLIC_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/i/", "/assets/")
"""Doors with a guard of their own, or for everybody; one that ends in "/" is all that lies below it."""
PROBE_PATHS: Final = ("/healthz", "/readyz")
"""Answered however many others wait: who asks them ends a process that is silent."""
UNCOUNTED_PATHS: Final = (*PROBE_PATHS, "/assets/", "/api/v1/changes")
"""Answered without a place: probes, files that are in memory, and streams, which last long and have a bound of their own."""
MOST_REQUESTS: Final = 100
"""Requests that are answered at a time; a client that comes then is told so at once, and waits nowhere."""
MOST_OF_ADDRESS: Final = 50
"""Of them, those of one address; programs of this machine have no such bound."""
ANY_HOST_PATHS: Final = (*PROBE_PATHS, "/metrics", "/api/", "/i/", "/assets/")
"""Answered whatever the Host header is: they want a proof, check the name themselves, or hold no secret."""
SIGN_IN_PATHS: Final = ("/sign-in", "/first", "/oidc/start", "/oidc/back")
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
STRICT_TRANSPORT: Final = "max-age=31536000"
FORM_KEY: Final = "mainspring.form"
"""In the scope of a request: the fields of its form, each the last one given."""
LARGEST_FORM: Final = 1024 * 1024
MOST_FIELDS: Final = 500
MOST_FORMS: Final = 50
"""Bounds of a form of a known visitor: that of a run has some 400 fields at most, and a text in it may be as large as a value."""
_OTHER_NAME = """this server is called by a name that it does not know, so nothing was done. If the name is yours, set web.public_url,
or name it in web.allowed_hosts. See docs/how-to/sign-in.md."""
_BOTH_LENGTHS = "Content-Length and Transfer-Encoding exclude each other"


def is_below(path: str, doors: tuple[str, ...]) -> bool:
    """Tell whether a path is one of these doors."""
    return any(path.startswith(door) if door.endswith("/") else path == door for door in doors)


class AuthMiddleware:
    """`closed` says why no page is served at present, with what to do; None = they are."""

    def __init__(
        self, inner: ASGIApp, gate: Authenticator, site: PublicSite, closed: Callable[[], Awaitable[str | None]]
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._site = site
        self._closed = closed
        self._places = RequestSlots(MOST_REQUESTS, MOST_OF_ADDRESS)
        self._forms = FormReader(LARGEST_FORM, MOST_FIELDS, MOST_FORMS)
        self._strangers_forms = anonymous_form_reader()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request, guarded = Request(scope, receive), self._guarded(send)
        wrong = self._misled(request)
        if wrong is not None:
            await wrong(scope, receive, guarded)
        elif is_below(scope["path"], UNCOUNTED_PATHS):
            await self._answer(request, guarded)
        else:
            await self._answer_in_place(request, guarded)

    async def _answer_in_place(self, request: Request, guarded: Send) -> None:
        """Answer a request if there is a place for it. The place is free when the answer begins: a client that reads slowly holds none."""
        address = self._site.address(request)
        place = self._places.take(None if self._site.is_proxy(address) else address)
        if place is None:
            # Its connection ends with it: a crowd's would keep out who asks next.
            busy = self._gate.refuse(request, 503, "too_busy", "too many ask at once: ask again", retry_after=1)
            await _close_connection(busy)(request.scope, request.receive, guarded)
            return

        request.scope[SLOT_KEY] = place

        async def leaving(message: Message) -> None:
            place.leave()
            await guarded(message)

        try:
            await self._answer(request, leaving)
        finally:
            place.leave()

    async def _answer(self, request: Request, guarded: Send) -> None:
        refused = None
        if not is_below(request_path(request), PUBLIC_PATHS):
            try:
                refused = await self._refused(request)
            except ClientDisconnect:
                return
        await (refused or self._inner)(request.scope, request.receive, guarded)

    def _misled(self, request: Request) -> Response | None:
        """Refuse a request that two servers could read in two ways, and one that a page of another site may have made of us."""
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            return _close_connection(self._gate.refuse(request, 400, "framing", _BOTH_LENGTHS))
        if not is_below(request_path(request), ANY_HOST_PATHS) and not self._site.allows_host(request):
            return _close_connection(PlainTextResponse(f"{_OTHER_NAME}\n", 403))
        return None

    async def _refused(self, request: Request) -> Response | None:
        """Return what is answered instead of the page; None = it may be asked for."""
        why = await self._closed()
        if why is not None:
            return PlainTextResponse(f"{why}\n", 503, {"Retry-After": "5"})
        is_way_in = is_below(request_path(request), SIGN_IN_PATHS)
        if is_way_in and (stranger := self._stranger(request)) is not None:
            return _close_connection(stranger)
        if _is_page_form(request):
            unread = await self._read_form(request, is_way_in=is_way_in)
            if unread is not None:
                return _close_connection(unread)
        if is_way_in:
            return None if self._gate.lets_stranger(request) else self._gate.too_often(request)
        found = await self._gate.visitor(request, request.scope.get(FORM_KEY, {}).get("form"))
        if isinstance(found, Response):
            return found
        request.scope[VISITOR_KEY] = found
        return None

    async def _read_form(self, request: Request, *, is_way_in: bool) -> Response | None:
        """Read a form of a known visitor, or of a page that lets people in; nothing of any other. Return what is answered instead."""
        try:
            is_known = not is_way_in and await self._gate.knows(request)
        except MainspringError:
            return self._gate.away(request)
        if not is_known and not is_way_in:
            found = await self._gate.visitor(request)
            return found if isinstance(found, Response) else None
        form = await (self._forms if is_known else self._strangers_forms).read(request)
        if form is None:
            return PlainTextResponse("this is no form of ours, or it came too slowly, and nothing was done\n", 413)
        request.scope[FORM_KEY] = form
        return None

    def _stranger(self, request: Request) -> Response | None:
        """Refuse an address that asks too often, and a form of another site, which could sign a person in as another one."""
        if not self._gate.may_ask(request):
            return self._gate.too_often(request)
        if request.method not in SAFE_METHODS and not self._site.is_own(request):
            return self._gate.refuse(request, 403, "other_site", "this came from another site, and nothing was done")
        return None

    def _guarded(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._site.is_secure:
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        return guarded


def _is_page_form(request: Request) -> bool:
    """Tell whether a page of ours sent this: the API takes no forms and reads its bodies itself, and what only looks has none."""
    if request.method in SAFE_METHODS or request_path(request).startswith(API_PATH):
        return False
    return is_form(request)


def _close_connection(response: Response) -> Response:
    """Return an answer that ends its connection: what the client still sends is not read."""
    response.headers["Connection"] = "close"
    return response

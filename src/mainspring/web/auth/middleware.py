"""The authentication middleware: an ASGI application around all others. It authenticates each request, except to the paths listed here.

A new route is closed until its path is listed. Every response gets the headers that protect browsers.
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

PUBLIC_PATHS: Final = ("/healthz", "/readyz", "/metrics", "/i/", "/assets/", "/slack/actions")
"""Paths with an authentication of their own, or public ones; a path that ends in "/" includes all below it."""
PROBE_PATHS: Final = ("/healthz", "/readyz")
"""Answered under any load: a supervisor that gets no answer ends the process."""
UNCOUNTED_PATHS: Final = (*PROBE_PATHS, "/assets/", "/api/v1/changes")
"""Answered without a place: probes, files in memory, and streams, which last long and have their own limit."""
MOST_REQUESTS: Final = 100
"""Requests that are answered at a time; a further one is rejected at once and does not wait."""
MOST_OF_ADDRESS: Final = 50
"""The limit for one address; programs of this machine have none."""
ANY_HOST_PATHS: Final = (*PROBE_PATHS, "/metrics", "/api/", "/i/", "/assets/", "/slack/actions")
"""Answered for any Host header: they need a credential, check the name themselves, or hold no secret."""
SIGN_IN_PATHS: Final = ("/sign-in", "/first", "/oidc/start", "/oidc/back")
"""Pages for signing in."""
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
"""The key of the form in the scope of a request: its fields, each with the last value."""
LARGEST_FORM: Final = 1024 * 1024
MOST_FIELDS: Final = 500
MOST_FORMS: Final = 50
"""Limits of a form of a known visitor: that of a run has up to about 400 fields, and a text in it may be as large as a value."""
_OTHER_NAME = """this server does not know the name that you called it by, so nothing was done. If the name is yours, set web.public_url,
or add it to web.allowed_hosts. See: mainspring docs show sign-in"""
_BOTH_LENGTHS = "Content-Length and Transfer-Encoding exclude each other"


def is_below(path: str, public_paths: tuple[str, ...]) -> bool:
    """Return whether a path is one of these, or below one that ends in "/"."""
    return any(
        path.startswith(public_path) if public_path.endswith("/") else path == public_path
        for public_path in public_paths
    )


class AuthMiddleware:
    """The middleware of a web process. `closed` returns why no page is served at present, with the fix; None = pages are served."""

    def __init__(
        self,
        inner: ASGIApp,
        authenticator: Authenticator,
        site: PublicSite,
        closed: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._inner = inner
        self._authenticator = authenticator
        self._site = site
        self._closed = closed
        self._slots = RequestSlots(MOST_REQUESTS, MOST_OF_ADDRESS)
        self._forms = FormReader(LARGEST_FORM, MOST_FIELDS, MOST_FORMS)
        self._anonymous_forms = anonymous_form_reader()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request, send_with_headers = Request(scope, receive), self._with_headers(send)
        rejection = self._check_framing(request)
        if rejection is not None:
            await rejection(scope, receive, send_with_headers)
        elif is_below(scope["path"], UNCOUNTED_PATHS):
            await self._answer(request, send_with_headers)
        else:
            await self._answer_in_place(request, send_with_headers)

    async def _answer_in_place(self, request: Request, send_with_headers: Send) -> None:
        """Answer a request if a slot is free. The slot is released when the response starts: a client that reads slowly holds none."""
        address = self._site.address(request)
        slot = self._slots.take(None if self._site.is_proxy(address) else address)
        if slot is None:
            # The connection ends too: the connections of a crowd would keep out later requests.
            busy = self._authenticator.refuse(
                request, 503, "too_busy", "too many requests at the same time: try again", retry_after=1
            )
            await _close_connection(busy)(request.scope, request.receive, send_with_headers)
            return

        request.scope[SLOT_KEY] = slot

        async def send_and_release(message: Message) -> None:
            slot.leave()
            await send_with_headers(message)

        try:
            await self._answer(request, send_and_release)
        finally:
            slot.leave()

    async def _answer(self, request: Request, send_with_headers: Send) -> None:
        rejection = None
        if not is_below(request_path(request), PUBLIC_PATHS):
            try:
                rejection = await self._check_access(request)
            except ClientDisconnect:
                return
        await (rejection or self._inner)(request.scope, request.receive, send_with_headers)

    def _check_framing(self, request: Request) -> Response | None:
        """Reject a request that two servers could read differently, or one under a foreign host name (DNS rebinding)."""
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            return _close_connection(self._authenticator.refuse(request, 400, "framing", _BOTH_LENGTHS))
        if not is_below(request_path(request), ANY_HOST_PATHS) and not self._site.allows_host(request):
            return _close_connection(PlainTextResponse(f"{_OTHER_NAME}\n", 403))
        return None

    async def _check_access(self, request: Request) -> Response | None:
        """Return the response instead of the page; None = the page may be served."""
        reason = await self._closed()
        if reason is not None:
            return PlainTextResponse(f"{reason}\n", 503, {"Retry-After": "5"})
        is_sign_in = is_below(request_path(request), SIGN_IN_PATHS)
        if is_sign_in and (rejection := self._check_anonymous(request)) is not None:
            return _close_connection(rejection)
        if _is_page_form(request):
            form_rejection = await self._read_form(request, is_sign_in=is_sign_in)
            if form_rejection is not None:
                return _close_connection(form_rejection)
        if is_sign_in:
            return None if self._authenticator.count_anonymous(request) else self._authenticator.too_often(request)
        visitor = await self._authenticator.visitor(request, request.scope.get(FORM_KEY, {}).get("form"))
        if isinstance(visitor, Response):
            return visitor
        request.scope[VISITOR_KEY] = visitor
        return None

    async def _read_form(self, request: Request, *, is_sign_in: bool) -> Response | None:
        """Read the form of a known visitor, or of a sign-in page, and no other. Return a response that rejects it, or None."""
        try:
            is_known = not is_sign_in and await self._authenticator.has_session(request)
        except MainspringError:
            return self._authenticator.store_unavailable(request)
        if not is_known and not is_sign_in:
            visitor = await self._authenticator.visitor(request)
            return visitor if isinstance(visitor, Response) else None
        form = await (self._forms if is_known else self._anonymous_forms).read(request)
        if form is None:
            return PlainTextResponse(
                "this is not a form of Mainspring, or it arrived too slowly, so nothing was done\n", 413
            )
        request.scope[FORM_KEY] = form
        return None

    def _check_anonymous(self, request: Request) -> Response | None:
        """Reject an address above its rate limit, and a form of another site, which could sign a person in as someone else."""
        if not self._authenticator.has_quota(request):
            return self._authenticator.too_often(request)
        if request.method not in SAFE_METHODS and not self._site.is_own(request):
            return self._authenticator.refuse(
                request, 403, "other_site", "this came from another site, so nothing was done"
            )
        return None

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._site.is_secure:
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        return send_with_headers


def _is_page_form(request: Request) -> bool:
    """Return whether this is the form of a page. The API takes no forms and reads its bodies itself; a GET has none."""
    if request.method in SAFE_METHODS or request_path(request).startswith(API_PATH):
        return False
    return is_form(request)


def _close_connection(response: Response) -> Response:
    """Return a response that closes its connection: the rest of the request is not read."""
    response.headers["Connection"] = "close"
    return response

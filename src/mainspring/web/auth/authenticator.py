"""The authenticator: turn a request into a visitor, or into the response that rejects it.

See docs/adr/0015-one-authenticator-for-pages-and-api.md.

It reads a bearer token, then the session's cookie, and nothing else. Neither is logged nor returned.
"""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Collection
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from mainspring.domain.access.permissions import Visitor
from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.service.access.access_keys import hash_key
from mainspring.service.access.people import PREFIX
from mainspring.service.access.sign_in_throttle import address_group
from mainspring.store.commands.people import RecordVisit
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people
from mainspring.web.auth.public_site import PublicSite

API_PATH: Final = "/api/"
FORM_HEADER: Final = "x-form-token"
VISITOR_KEY: Final = "mainspring.visitor"
"""The key of the visitor in the scope of a request, for its handlers."""
SAFE_METHODS: Final = ("GET", "HEAD")
_NOTE_VISIT_EVERY_MS = 60_000
_LONGEST_KEY = 200
_RELOAD_HINT = "reload this page: what you sent is sent again and counts once"
_FOREIGN_SITES = ("cross-site", "same-site")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"

MOST = 10_000


class RateLimiter:
    """A limiter, called in the loop's thread. `rate` a second, up to `burst` at once."""

    def __init__(self, rate: float, burst: int, most: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def has_quota(self, name: str, now: int) -> bool:
        """Return whether this client has quota left (`now` in ms); takes nothing."""
        return self._tokens(self._buckets.get(name), now) >= 1

    def acquire(self, name: str, now: int) -> bool:
        """Take one request from the quota of this client (`now` in ms); False = none is left."""
        tokens = self._tokens(self._buckets.pop(name, None), now)
        is_allowed = tokens >= 1
        self._buckets[name] = (tokens - 1 if is_allowed else tokens, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return is_allowed

    def _tokens(self, bucket: tuple[float, int] | None, now: int) -> float:
        if bucket is None:
            return float(self._burst)
        tokens, at = bucket
        return min(float(self._burst), tokens + max(0, now - at) * self._rate / 1_000)


class CredentialKey(NamedTuple):
    """A credential: the hash of a token, or of a session's cookie."""

    hash: str
    is_token: bool


class Authenticator:
    """The authenticator of a web process. It reads the store for each request, so a withdrawn right ends with the next request."""

    def __init__(self, site: PublicSite, store: ProcessStore, clock: Clock) -> None:
        self._site = site
        self._store = store
        self._clock = clock
        self._visitor_limits, self._anonymous_limits = RateLimiter(50, 200), RateLimiter(10, 60)

    async def visitor(self, request: Request, form_token: str | None = None) -> Visitor | Response:
        """Return the visitor; a response if the request is not let in. `form_token` = the one of a form."""
        stored = request.scope.pop(VISITOR_KEY, None)
        if isinstance(stored, Visitor):
            return stored
        try:
            visitor = await self._authenticate(request, form_token)
        except MainspringError:
            return self.store_unavailable(request)
        if isinstance(visitor, Visitor) and not self._visitor_limits.acquire(str(visitor), self._clock.now()):
            return self.too_often(request)
        return visitor

    async def has_session(self, request: Request) -> bool:
        """Return whether a request has a live session, before its body is read. Raises StoreError."""
        session = await self.session(request)
        return session is not None and session.visitor(self._clock.now()) is not None

    def store_unavailable(self, request: Request) -> Response:
        """Return the response while the store cannot identify a visitor."""
        again = "try again" if request.method in SAFE_METHODS else _RELOAD_HINT
        return self.refuse(request, 503, "store_unreachable", f"the store does not answer: {again}", retry_after=5)

    def key(self, request: Request) -> CredentialKey | None:
        """Return the credential that `visitor` reads from a request; None = it has none."""
        header = request.headers.get("authorization")
        text = self.cookie(request) if header is None else header.partition(" ")[2].strip()
        return None if not text else CredentialKey(hash_key(text), is_token=header is not None)

    def current_visitors(self, keys: Collection[CredentialKey]) -> dict[CredentialKey, Visitor]:
        """Return the visitors who have these credentials now: two reads, however many there are. Blocking; raises StoreError."""
        now, reader = self._clock.now(), self._store.reader
        tokens = [key.hash for key in keys if key.is_token]
        cookies = [key.hash for key in keys if not key.is_token]
        visitors: dict[CredentialKey, Visitor | None] = {}
        for token in people.tokens_by(reader, tokens) if tokens else ():
            visitors[CredentialKey(token.hash, is_token=True)] = token.visitor(now)
        for session in people.web_sessions_by(reader, cookies) if cookies else ():
            visitors[CredentialKey(session.hash, is_token=False)] = visitor = session.visitor(now)
            if visitor is not None:
                self._record_visit(session)
        return {key: visitor for key, visitor in visitors.items() if visitor is not None}

    async def session(self, request: Request) -> people.WebSessionView | None:
        """Return the session of the request's cookie, also an ended one."""
        cookie = self.cookie(request)
        return (
            None
            if cookie is None
            else await asyncio.to_thread(people.web_session, self._store.reader, hash_key(cookie))
        )

    def cookie(self, request: Request) -> str | None:
        """Return the session key in a request's cookie; None if it cannot be one."""
        cookie = request.cookies.get(self._site.cookie)
        return cookie if cookie and len(cookie) <= _LONGEST_KEY else None

    def form_token(self, request: Request) -> str:
        """Return the token in forms of this session, which other sites cannot know. Empty without a session."""
        cookie = self.cookie(request)
        return "" if cookie is None else form_token_for(cookie)

    def has_quota(self, request: Request) -> bool:
        """Return whether an address is within its rate limit; counts nothing."""
        return self._anonymous_limits.has_quota(address_group(self._site.address(request)), self._clock.now())

    def too_often(self, request: Request) -> Response:
        """Return the response to a client above its rate limit."""
        return self.refuse(request, 429, "too_often", "too many requests", retry_after=1)

    def count_anonymous(self, request: Request) -> bool:
        """Count a request of an unknown sender; False = its address is above its rate limit."""
        return self._anonymous_limits.acquire(address_group(self._site.address(request)), self._clock.now())

    async def _authenticate(self, request: Request, form_token: str | None) -> Visitor | Response:
        header = request.headers.get("authorization")
        if header is not None:
            return await self._authenticate_token(request, header)
        session = await self.session(request)
        visitor = None if session is None else session.visitor(self._clock.now())
        if session is None or visitor is None:
            return self._reject_unknown(request)
        rejection = (
            self._check_reading(request) if request.method in SAFE_METHODS else self._check_change(request, form_token)
        )
        if rejection is not None:
            return rejection
        self._record_visit(session)
        return visitor

    def _record_visit(self, session: people.WebSessionView) -> None:
        if self._clock.now() - session.seen_at >= _NOTE_VISIT_EVERY_MS:
            self._store.submit(RecordVisit(session.hash), _ignore)

    async def _authenticate_token(self, request: Request, header: str) -> Visitor | Response:
        """Authenticate by a header. The header decides: after an invalid token the cookie is not read."""
        kind, _, key = header.partition(" ")
        key = key.strip()
        if kind.lower() != "bearer" or not key.startswith(PREFIX) or len(key) > _LONGEST_KEY:
            return self._reject_unknown(request)
        hash = hash_key(key)
        token = await asyncio.to_thread(people.token_of, self._store.reader, hash)
        visitor = None if token is None else token.visitor(self._clock.now())
        if token is None or visitor is None or not hmac.compare_digest(token.hash, hash):
            return self._reject_unknown(request)
        if request.method not in SAFE_METHODS and _has_body(request) and _content_type(request) != _JSON:
            return self.refuse(request, 415, "bad_type", "the body must be application/json")
        if token.used_at is None or self._clock.now() - token.used_at >= _NOTE_VISIT_EVERY_MS:
            self._store.submit(RecordVisit(hash, is_token=True), _ignore)
        return visitor

    def _check_reading(self, request: Request) -> Response | None:
        """Reject a request to the API from a page of another site: it could not read the response, but could keep a stream open."""
        if request_path(request).startswith(API_PATH) and request.headers.get("sec-fetch-site") in _FOREIGN_SITES:
            return self.refuse(request, 403, "other_site", "a page of another site sent this request")
        return None

    def _check_change(self, request: Request, form_token: str | None) -> Response | None:
        """Reject a change that no page of this site requested: browsers send the cookie for any page."""
        if not self._site.is_own(request):
            return self.refuse(request, 403, "other_site", "this came from another site, so nothing was done")
        if _has_body(request) and _content_type(request) not in (_JSON, _FORM):
            return self.refuse(request, 415, "bad_type", "the body must be application/json or a form")
        sent_token = request.headers.get(FORM_HEADER) or form_token or ""
        if not hmac.compare_digest(sent_token.encode("utf-8", "surrogatepass"), self.form_token(request).encode()):
            return self.refuse(
                request, 403, "old_form", "this form belongs to another session, so nothing was done: open it again"
            )
        return None

    def _reject_unknown(self, request: Request) -> Response:
        if not self.count_anonymous(request):
            return self.too_often(request)
        is_page = not request_path(request).startswith(API_PATH) and "authorization" not in request.headers
        if is_page and request.method in SAFE_METHODS:
            query = request.scope["query_string"].decode("latin-1")
            path = request_path(request) + (f"?{query}" if query else "")
            back = "" if path == "/" else f"?next={quote(path, safe='/')}"
            return RedirectResponse(f"{self._site.base}/sign-in{back}", 303)
        return self.refuse(request, 401, "unauthenticated", "the request has no valid token or session")

    def refuse(
        self, request: Request, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> Response:
        """Return a response that rejects a request: a problem for programs, a sentence for people."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="mainspring"'
        if not request_path(request).startswith(API_PATH):
            return PlainTextResponse(f"{detail}\n", status, headers)
        title = HTTPStatus(status).phrase
        data = {
            "type": f"docs/reference/api.md#{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
        }
        return Response(msgspec.json.encode(data), status, headers, "application/problem+json")


def request_path(request: Request) -> str:
    """Return the requested path. `request.url` is not used: it contains the Host header, which the sender chooses."""
    path: str = request.scope["path"]
    return path


def form_token_for(cookie: str) -> str:
    """Return the token of a session's forms: without the cookie no one can compute it."""
    digest = hmac.digest(cookie.encode("utf-8", "surrogatepass"), b"mainspring form 1", "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _ignore(result: object) -> None:
    """Ignore a visit that could not be recorded: it is not important."""

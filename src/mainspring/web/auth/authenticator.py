"""The gate: a request becomes a visitor, or an answer that lets nobody in. See docs/adr/0015-one-gate-for-pages-and-programs.md.

It looks at a bearer token, then at the session's cookie, at nothing else. Nothing of either is logged or told.
"""

import asyncio
import hmac
from base64 import urlsafe_b64encode
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
from mainspring.store.read import people as reads
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.auth.rate_limit import RateLimiter

API_PATH: Final = "/api/"
FORM_HEADER: Final = "x-form-token"
VISITOR_KEY: Final = "mainspring.visitor"
"""In the scope of a request: who asks. Whoever handles it takes it from there."""
SAFE_METHODS: Final = ("GET", "HEAD")
_NOTE_VISIT_EVERY_MS = 60_000
_LONGEST_KEY = 200
_RELOAD_HINT = "load this page again, and what you sent is sent again; it counts once"
_FOREIGN_SITES = ("cross-site", "same-site")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class CredentialKey(NamedTuple):
    """By what somebody comes in: the hash of a token, or of a session's cookie."""

    hash: str
    is_token: bool


class Authenticator:
    """One of a web process. The store is asked for each request, so that what was taken away counts at the next one."""

    def __init__(self, site: PublicSite, store: ProcessStore, clock: Clock) -> None:
        self._site = site
        self._store = store
        self._clock = clock
        self._known, self._strangers = RateLimiter(50, 200), RateLimiter(10, 60)

    async def visitor(self, request: Request, form_token: str | None = None) -> Visitor | Response:
        """Return who asks; a response where nobody is let in so. `form_token` = the one that came in a form."""
        found = request.scope.pop(VISITOR_KEY, None)
        if isinstance(found, Visitor):
            return found
        try:
            asked = await self._look(request, form_token)
        except MainspringError:
            return self.away(request)
        if isinstance(asked, Visitor) and not self._known.lets(str(asked), self._clock.now()):
            return self.too_often(request)
        return asked

    async def knows(self, request: Request) -> bool:
        """Tell whether a request comes from a session that lasts, before anything of its body is read. Raises StoreError."""
        session = await self.session(request)
        return session is not None and session.visitor(self._clock.now()) is not None

    def away(self, request: Request) -> Response:
        """Return what is answered while nobody can be looked up."""
        again = "try again" if request.method in SAFE_METHODS else _RELOAD_HINT
        return self.refuse(request, 503, "store_away", f"the store does not answer: {again}", retry_after=5)

    def key(self, request: Request) -> CredentialKey | None:
        """Return by what a request comes in, as `visitor` looks at it; None = by nothing."""
        said = request.headers.get("authorization")
        text = self.cookie(request) if said is None else said.partition(" ")[2].strip()
        return None if not text else CredentialKey(hash_key(text), is_token=said is not None)

    def still(self, keys: Collection[CredentialKey]) -> dict[CredentialKey, Visitor]:
        """Return who comes in by these keys now: two reads, however many they are. Blocking; raises StoreError."""
        now, reader = self._clock.now(), self._store.reader
        tokens = [key.hash for key in keys if key.is_token]
        cookies = [key.hash for key in keys if not key.is_token]
        found: dict[CredentialKey, Visitor | None] = {}
        for token in reads.tokens_by(reader, tokens) if tokens else ():
            found[CredentialKey(token.hash, is_token=True)] = token.visitor(now)
        for session in reads.web_sessions_by(reader, cookies) if cookies else ():
            found[CredentialKey(session.hash, is_token=False)] = visitor = session.visitor(now)
            if visitor is not None:
                self._note(session)
        return {key: visitor for key, visitor in found.items() if visitor is not None}

    async def session(self, request: Request) -> reads.WebSessionView | None:
        """Return the session that the request's cookie has, also where it is over."""
        cookie = self.cookie(request)
        return (
            None if cookie is None else await asyncio.to_thread(reads.web_session, self._store.reader, hash_key(cookie))
        )

    def cookie(self, request: Request) -> str | None:
        """Return the key of a session that came with a request; None where it can be none."""
        found = request.cookies.get(self._site.cookie)
        return found if found and len(found) <= _LONGEST_KEY else None

    def form_token(self, request: Request) -> str:
        """Return what forms of this session carry; other sites cannot know it. Empty where there is no session."""
        cookie = self.cookie(request)
        return "" if cookie is None else form_token_for(cookie)

    def may_ask(self, request: Request) -> bool:
        """Tell whether an address has not asked too often; counts nothing."""
        return self._strangers.has(address_group(self._site.address(request)), self._clock.now())

    def too_often(self, request: Request) -> Response:
        """Return the answer to a client that asks too often."""
        return self.refuse(request, 429, "too_often", "too many requests", retry_after=1)

    def lets_stranger(self, request: Request) -> bool:
        """Count a request that nobody is known by; False = its address asks too often."""
        return self._strangers.lets(address_group(self._site.address(request)), self._clock.now())

    async def _look(self, request: Request, form_token: str | None) -> Visitor | Response:
        said = request.headers.get("authorization")
        if said is not None:
            return await self._by_token(request, said)
        session = await self.session(request)
        visitor = None if session is None else session.visitor(self._clock.now())
        if session is None or visitor is None:
            return self._unknown(request)
        wrong = (
            self._check_reading(request) if request.method in SAFE_METHODS else self._check_change(request, form_token)
        )
        if wrong is not None:
            return wrong
        self._note(session)
        return visitor

    def _note(self, session: reads.WebSessionView) -> None:
        if self._clock.now() - session.seen_at >= _NOTE_VISIT_EVERY_MS:
            self._store.submit(RecordVisit(session.hash), _ignore)

    async def _by_token(self, request: Request, said: str) -> Visitor | Response:
        """A header that is there decides: a wrong token is not followed by a look at the cookie."""
        kind, _, key = said.partition(" ")
        key = key.strip()
        if kind.lower() != "bearer" or not key.startswith(PREFIX) or len(key) > _LONGEST_KEY:
            return self._unknown(request)
        hash = hash_key(key)
        token = await asyncio.to_thread(reads.token_of, self._store.reader, hash)
        visitor = None if token is None else token.visitor(self._clock.now())
        if token is None or visitor is None or not hmac.compare_digest(token.hash, hash):
            return self._unknown(request)
        if request.method not in SAFE_METHODS and _has_body(request) and _content_type(request) != _JSON:
            return self.refuse(request, 415, "bad_type", "the body must be application/json")
        if token.used_at is None or self._clock.now() - token.used_at >= _NOTE_VISIT_EVERY_MS:
            self._store.submit(RecordVisit(hash, is_token=True), _ignore)
        return visitor

    def _check_reading(self, request: Request) -> Response | None:
        """Refuse what a page of another site asks of the API: it could not read it, but a stream would be open all the same."""
        if request_path(request).startswith(API_PATH) and request.headers.get("sec-fetch-site") in _FOREIGN_SITES:
            return self.refuse(request, 403, "other_site", "this was asked by a page of another site")
        return None

    def _check_change(self, request: Request, form_token: str | None) -> Response | None:
        """Refuse a change that a page of ours did not ask for: browsers send the cookie whoever asks."""
        if not self._site.is_own(request):
            return self.refuse(request, 403, "other_site", "this came from another site, and nothing was done")
        if _has_body(request) and _content_type(request) not in (_JSON, _FORM):
            return self.refuse(request, 415, "bad_type", "the body must be application/json or a form")
        given = request.headers.get(FORM_HEADER) or form_token or ""
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.form_token(request).encode()):
            return self.refuse(
                request, 403, "old_form", "this form is of another session, and nothing was done: open it again"
            )
        return None

    def _unknown(self, request: Request) -> Response:
        if not self.lets_stranger(request):
            return self.too_often(request)
        is_page = not request_path(request).startswith(API_PATH) and "authorization" not in request.headers
        if is_page and request.method in SAFE_METHODS:
            query = request.scope["query_string"].decode("latin-1")
            asked = request_path(request) + (f"?{query}" if query else "")
            back = "" if asked == "/" else f"?next={quote(asked, safe='/')}"
            return RedirectResponse(f"{self._site.base}/sign-in{back}", 303)
        return self.refuse(request, 401, "unauthenticated", "nobody is known by what this request carries")

    def refuse(
        self, request: Request, status: int, code: str, detail: str, *, retry_after: int | None = None
    ) -> Response:
        """Return an answer that lets nobody in: a problem for programs, a sentence for people."""
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
    """Return the path that was asked for. Never by `request.url`: the Host header is a part of that, and says what a sender likes."""
    path: str = request.scope["path"]
    return path


def form_token_for(cookie: str) -> str:
    """Return the token of a session's forms: whoever has not the cookie cannot make it."""
    digest = hmac.digest(cookie.encode("utf-8", "surrogatepass"), b"mainspring form 1", "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _ignore(result: object) -> None:
    """That a visit was not noted harms nobody."""

"""Signing in by a provider of identities: `/oidc/start` sends the browser there, `/oidc/back` takes it in again.

What is under way is remembered here, bounded, and only the browser that left can come back. A process that ends forgets it: one more try.
"""

import asyncio
import hmac
from collections import OrderedDict
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mainspring.config.web_settings import OidcSettings
from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.oidc import (
    WELL_KNOWN,
    Asked,
    Provider,
    check_claims,
    claims_of,
    leave_for,
    name_of,
    read_provider,
    role_of,
)
from mainspring.resources.secret import Secrets
from mainspring.service.key_text import hash_of, new_key
from mainspring.service.people import NAME
from mainspring.service.sign_in import SignIn
from mainspring.web.gate import path_of
from mainspring.web.pages import Pages, told
from mainspring.web.sign_in_pages import SignInPages

WITHIN_S: Final = 10.0
_LARGEST = 256 * 1024
_KNOWN_MS = 3_600_000
_LASTS_MS = 600_000
_MOST = 1_000
_SECRET = "secret:"  # a prefix


class OidcPages:
    """`back` = the address of `/oidc/back` as browsers see it."""

    def __init__(
        self, settings: OidcSettings, pages: Pages, sign_in: SignIn, enter: SignInPages, secrets: Secrets, back: str
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._sign_in = sign_in
        self._enter = enter
        self._secrets = secrets
        self._back = back
        self._cookie = f"{pages.site.cookie}-oidc"
        self._under_way: OrderedDict[str, Asked] = OrderedDict()
        self._provider: tuple[int, Provider] | None = None

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        return [
            Route("/oidc/start", self.start, methods=["GET"]),
            Route("/oidc/back", self.back, methods=["GET"]),
        ]

    async def start(self, request: Request) -> Response:
        """Send the browser to the provider."""
        try:
            provider = await self._found()
        except MainspringError as error:
            return self._failed(request, error)
        clock, browser = self._pages.clock, new_key(self._pages.clock, "")
        asked = Asked(
            state=new_key(clock, ""),
            nonce=new_key(clock, ""),
            verifier=new_key(clock, ""),
            browser=hash_of(browser),
            next=request.query_params.get("next", "")[:2_000],
            until_at=clock.now() + _LASTS_MS,
        )
        self._under_way[asked.state] = asked
        while len(self._under_way) > _MOST:
            self._under_way.popitem(last=False)
        response = RedirectResponse(leave_for(provider, self._client, self._back, asked), 303)
        how: dict[str, Any] = {
            "path": "/",
            "secure": self._pages.site.is_secure,
            "httponly": True,
            "max_age": _LASTS_MS // 1_000,
        }
        response.set_cookie(self._cookie, browser, samesite="lax", **how)
        return response

    async def back(self, request: Request) -> Response:
        """Take the browser in again, as whom the provider says that it is."""
        said = request.query_params
        asked = self._under_way.pop(said.get("state", ""), None) if request.method == "GET" else None
        browser = hash_of(request.cookies.get(self._cookie, ""))
        is_same = asked is not None and hmac.compare_digest(asked.browser, browser)
        if asked is None or not is_same or self._pages.clock.now() >= asked.until_at:
            return self._failed(request, ArgumentError("this sign-in did not begin here, or took too long: begin anew"))
        if "code" not in said:
            return self._failed(request, ArgumentError("the provider did not let you in"))
        if said.get("iss", self._settings.issuer) != self._settings.issuer:
            return self._failed(request, ArgumentError("another provider answered"))
        try:
            key = await self._entered(request, said["code"], asked)
        except MainspringError as error:
            return self._failed(request, error)
        response = self._enter.entered(key, asked.next)
        response.delete_cookie(self._cookie, path="/", secure=self._pages.site.is_secure, httponly=True, samesite="lax")
        return response

    async def _entered(self, request: Request, code: str, asked: Asked) -> str:
        """Return the key of a new session."""
        settings, now_s = self._settings, self._pages.clock.now() // 1_000
        claims = claims_of(await self._redeem(await self._found(), code, asked))
        check_claims(claims, issuer=settings.issuer or "", client_id=self._client, nonce=asked.nonce, now_s=now_s)
        name = name_of(claims, settings.name_claim)
        if not NAME.fullmatch(name):
            raise ArgumentError("what the provider calls you cannot be a name here", hint="See web.oidc.name_claim.")
        role = role_of(claims, settings.groups_claim, settings.roles)
        if role is None:
            raise ArgumentError("none of your groups may come in here", hint="An admin names groups in [web.oidc].")
        came = self._enter.came(request)
        return await self._pages.run(lambda: self._sign_in.by_provider(name, role, None, came))

    async def _redeem(self, provider: Provider, code: str, asked: Asked) -> bytes:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self._client,
            "code_verifier": asked.verifier,
        }
        named = self._settings.client_secret
        secret = None if named is None else self._secrets.get(named.removeprefix(_SECRET))
        async with _client() as client:
            if secret is not None and provider.takes_basic:
                return await _read(
                    client, "POST", provider.token_endpoint, data=form, auth=_quoted(self._client, secret)
                )
            if secret is not None:
                form["client_secret"] = secret
            return await _read(client, "POST", provider.token_endpoint, data=form)

    async def _found(self) -> Provider:
        """Return what the provider says of itself, asked for once an hour."""
        now, issuer = self._pages.clock.now(), self._settings.issuer or ""
        if self._provider is None or now - self._provider[0] >= _KNOWN_MS:
            async with _client() as client:
                data = await _read(client, "GET", issuer.rstrip("/") + WELL_KNOWN)
            self._provider = now, read_provider(data, issuer)
        return self._provider[1]

    @property
    def _client(self) -> str:
        return self._settings.client_id or ""

    def _failed(self, request: Request, error: MainspringError) -> Response:
        said = told(error)[1]
        status = 404 if path_of(request).endswith("/start") else 403
        return self._pages.page(
            request, "sign_in.html", status, said=said, next="", provider=provider_name(self._settings)
        )


def provider_name(settings: OidcSettings) -> str | None:
    """Return how pages name the provider; None = there is none."""
    if settings.issuer is None or settings.client_id is None:
        return None
    return settings.issuer.partition("://")[2].partition("/")[0]


def _quoted(client: str, secret: str) -> tuple[str, str]:
    return quote_plus(client), quote_plus(secret)


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=WITHIN_S, follow_redirects=False, headers={"accept": "application/json"})


async def _read(client: httpx2.AsyncClient, method: str, url: str, **options: Any) -> bytes:
    """Return what a provider answers; raises ArgumentError where it answers otherwise, never with what was sent."""
    body = bytearray()
    try:
        # The client's own limit is one of each part: who sends a byte now and then would be waited for without end.
        async with asyncio.timeout(WITHIN_S), client.stream(method, url, **options) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise ArgumentError("the provider's answer is too large")
            status = answer.status_code
    except (httpx2.HTTPError, TimeoutError) as error:
        raise ArgumentError(f"the provider does not answer ({type(error).__name__}): try again") from None
    if status != 200:
        raise ArgumentError(f"the provider answers with {status}")
    return bytes(body)

"""OIDC pages, for signing in by an identity provider: `/oidc/start` sends the browser there, `/oidc/back` receives it.

Pending sign-ins are in memory, bounded, and only the same browser can finish one. A process that ends forgets them: the person tries again.
"""

import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mainspring.config.web_settings import OidcSettings
from mainspring.domain.access.oidc import (
    PendingSignIn,
    check_installed,
    provider_refusal,
    read_person_name,
    select_role,
)
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ArgumentError, ConfigError, MainspringError
from mainspring.resources.secret_store import SecretStore
from mainspring.service.access.access_keys import hash_key, new_key
from mainspring.service.access.people import NAME
from mainspring.service.access.sign_in import SignInService
from mainspring.web.auth.authenticator import request_path
from mainspring.web.pages.page_renderer import PageRenderer, describe_error
from mainspring.web.pages.sign_in_pages import SignInPages

if TYPE_CHECKING:
    from mainspring.web.auth.identity_provider import IdentityProvider

_LASTS_MS = 600_000
_MOST = 1_000


class OidcPages:
    """The pages. `back` = the address of `/oidc/back` for browsers. `fault` = why no one can sign in this way; None = they can."""

    def __init__(
        self,
        settings: OidcSettings,
        pages: PageRenderer,
        sign_in: SignInService,
        sign_in_pages: SignInPages,
        secrets: SecretStore,
        back: str,
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._sign_in = sign_in
        self._sign_in_pages = sign_in_pages
        self._cookie = f"{pages.site.cookie}-oidc"
        self._pending: OrderedDict[str, PendingSignIn] = OrderedDict()
        self.fault: ConfigError | None = None
        try:
            self._provider = _build_provider(settings, secrets, pages.clock, back)
        except ConfigError as error:
            self.fault = error

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            Route("/oidc/start", self.start, methods=["GET"]),
            Route("/oidc/back", self.back, methods=["GET"]),
        ]

    async def start(self, request: Request) -> Response:
        """Send the browser to the provider."""
        if self.fault is not None:
            return self._render_failure(request, self.fault)
        clock, browser = self._pages.clock, new_key(self._pages.clock, "")
        pending = PendingSignIn(
            state=new_key(clock, ""),
            nonce=new_key(clock, ""),
            verifier=new_key(clock, ""),
            browser=hash_key(browser),
            next=request.query_params.get("next", "")[:2_000],
            until_at=clock.now() + _LASTS_MS,
        )
        try:
            address = await self._provider.address(pending)
        except MainspringError as error:
            return self._render_failure(request, error)
        self._pending[pending.state] = pending
        while len(self._pending) > _MOST:
            self._pending.popitem(last=False)
        response = RedirectResponse(address, 303)
        cookie_options: dict[str, Any] = {
            "path": "/",
            "secure": self._pages.site.is_secure,
            "httponly": True,
            "max_age": _LASTS_MS // 1_000,
        }
        response.set_cookie(self._cookie, browser, samesite="lax", **cookie_options)
        return response

    async def back(self, request: Request) -> Response:
        """Finish the sign-in of the person whom the provider names."""
        parameters = request.query_params
        pending = self._pending.pop(parameters.get("state", ""), None) if request.method == "GET" else None
        browser = hash_key(request.cookies.get(self._cookie, ""))
        is_same = pending is not None and hmac.compare_digest(pending.browser, browser)
        if pending is None or not is_same or self._pages.clock.now() >= pending.until_at:
            return self._render_failure(
                request, ArgumentError("this sign-in did not start here, or took too long: sign in again")
            )
        if "code" not in parameters:
            return self._render_failure(
                request, provider_refusal("the identity provider did not accept you", parameters.get("error"))
            )
        if parameters.get("iss", self._settings.issuer) != self._settings.issuer:
            return self._render_failure(request, ArgumentError("another identity provider answered"))
        try:
            key = await self._start_session(request, parameters["code"], pending)
        except MainspringError as error:
            return self._render_failure(request, error)
        response = self._sign_in_pages.start_session(key, pending.next)
        response.delete_cookie(self._cookie, path="/", secure=self._pages.site.is_secure, httponly=True, samesite="lax")
        return response

    async def _start_session(self, request: Request, code: str, pending: PendingSignIn) -> str:
        """Return the key of a new session."""
        settings = self._settings
        claims = await self._provider.claims(code, pending)
        name = read_person_name(claims, settings.name_claim)
        if not NAME.fullmatch(name):
            raise ArgumentError(
                "your name at the identity provider cannot be used here", hint="See web.oidc.name_claim."
            )
        role = select_role(claims, settings.groups_claim, settings.roles)
        if role is None:
            raise ArgumentError("none of your groups may sign in here", hint="An admin can add groups in [web.oidc].")
        origin = self._sign_in_pages.sign_in_origin(request)
        return await self._pages.run(lambda: self._sign_in.by_provider(name, role, None, origin))

    def _render_failure(self, request: Request, error: MainspringError) -> Response:
        message = describe_error(error)[1]
        status = 404 if request_path(request).endswith("/start") else 403
        return self._pages.page(
            request, "people/sign_in.html", status, message=message, next="", provider=provider_label(self._settings)
        )


def provider_label(settings: OidcSettings) -> str | None:
    """Return the name of the provider for pages; None = there is none."""
    if settings.issuer is None or settings.client_id is None:
        return None
    return settings.issuer.partition("://")[2].partition("/")[0]


def _build_provider(settings: OidcSettings, secrets: SecretStore, clock: Clock, back: str) -> "IdentityProvider":
    """Return the client of the provider. Raises ConfigError: the extra that it needs is not installed."""
    check_installed()
    from mainspring.web.auth.identity_provider import IdentityProvider  # noqa: PLC0415 - needs an extra

    return IdentityProvider(settings, secrets, clock, back)

"""The setup of auth: build the authenticator, the middleware around the application, the sign-in pages and the start-up link."""

import asyncio
from typing import Final

from starlette.routing import Route
from starlette.types import ASGIApp

from mainspring.config import Settings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError
from mainspring.resources.secret_store import SecretStore
from mainspring.service.access.people import offer_link
from mainspring.service.access.sign_in import SignInService
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people
from mainspring.web.auth.authenticator import Authenticator
from mainspring.web.auth.middleware import AuthMiddleware
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.dashboard.admin.people_pages import PeoplePages
from mainspring.web.pages.oidc_pages import OidcPages, provider_label
from mainspring.web.pages.page_renderer import PageRenderer
from mainspring.web.pages.sign_in_pages import SignInPages

SETUP_MISSING: Final = """no page is served here: other machines can reach this address, and no one can sign in yet.
`mainspring open`, on a machine with this store, prints a one-time link: follow it, and add a person at /people.
Or configure an identity provider: [web.oidc]. See: mainspring docs show sign-in"""
_STORE_UNAVAILABLE = "the store has not answered yet"
_AGAIN_MS = 2_000


class SetupGuard:
    """Serves no page on an address that other machines can reach, without any person or provider.

    `is_local_only` = only this machine can reach the pages; `has_provider` = an identity provider is configured.
    """

    def __init__(self, store: ProcessStore, clock: Clock, *, is_local_only: bool, has_provider: bool) -> None:
        self._store = store
        self._clock = clock
        self._is_open = is_local_only or has_provider
        self._checked_at: int | None = None
        self._reason = _STORE_UNAVAILABLE

    async def closed_reason(self) -> str | None:
        """Return why no page is served, with the fix; None = pages are served."""
        now = self._clock.now()
        if not self._is_open and (self._checked_at is None or now - self._checked_at >= _AGAIN_MS):
            self._checked_at = now
            try:
                self._is_open = await asyncio.to_thread(people.has_credentials, self._store.reader, now)
                self._reason = SETUP_MISSING
            except MainspringError:
                self._reason = _STORE_UNAVAILABLE
        return None if self._is_open else self._reason


class AuthSetup:
    """The authentication of a web process. `is_local_only` = only this machine reaches its pages; `fault` = why the provider fails."""

    def __init__(
        self,
        settings: Settings,
        store: ProcessStore,
        secrets: SecretStore,
        clock: Clock,
        *,
        is_local_only: bool,
        cost: ScryptCost | None = None,
    ) -> None:
        self.site = PublicSite(settings.web, is_local_only=is_local_only)
        self.authenticator = Authenticator(self.site, store, clock)
        self.sign_in = SignInService(store, clock, cost)
        self._store = store
        self._clock = clock
        self._is_local_only = is_local_only
        self._start = settings.web.seen_as
        oidc = settings.web.oidc
        provider = provider_label(oidc)
        self._setup_guard = SetupGuard(store, clock, is_local_only=is_local_only, has_provider=provider is not None)
        self.pages = pages = PageRenderer(settings.project, self.site, self.authenticator, clock)
        self._sign_in_pages = SignInPages(pages, self.sign_in, provider)
        back = f"{self._start}/oidc/back"
        self._oidc = (
            OidcPages(oidc, pages, self.sign_in, self._sign_in_pages, secrets, back) if provider is not None else None
        )
        self.fault = None if self._oidc is None else self._oidc.fault
        self._people = PeoplePages(pages, store, self.sign_in, self._sign_in_pages.sign_in_origin)

    def routes(self) -> list[Route]:
        """Return the routes of all pages."""
        oidc_routes = [] if self._oidc is None else self._oidc.routes()
        return [*self._sign_in_pages.routes(), *oidc_routes, *self._people.routes(), *self.pages.assets.routes()]

    def around(self, app: ASGIApp) -> AuthMiddleware:
        """Return the application behind the middleware."""
        return AuthMiddleware(app, self.authenticator, self.site, self._setup_guard.closed_reason)

    async def invitation(self, *, again: bool) -> str | None:
        """Return the message at the start: the start-up link if only this machine reads it, else why no page is served yet.

        `again` = also if people exist already. Raises StoreError.
        """
        if not self._is_local_only:
            return await self._setup_guard.closed_reason()
        known_people = await asyncio.to_thread(people.people, self._store.reader)
        if known_people and not again:
            return None
        token = await asyncio.to_thread(lambda: offer_link(self._store, clock=self._clock))
        return f"pages: {self._start}/first?token={token} (works once, within ten minutes, as admin)"

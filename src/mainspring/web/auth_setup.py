"""The pages of who may come in, put together: the gate, the entrance around the application, the start-up link."""

import asyncio

from starlette.routing import Route
from starlette.types import ASGIApp

from mainspring.config import Settings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.clock import Clock
from mainspring.resources.secret_store import SecretStore
from mainspring.service.access.people import offer_link
from mainspring.service.access.sign_in import SignInService
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import people as reads
from mainspring.web.auth.authenticator import Authenticator
from mainspring.web.auth.middleware import AuthMiddleware
from mainspring.web.auth.public_site import PublicSite
from mainspring.web.auth.setup_guard import SetupGuard
from mainspring.web.dashboard.admin.people_pages import PeoplePages
from mainspring.web.pages.oidc_pages import OidcPages, provider_label
from mainspring.web.pages.page_renderer import PageRenderer
from mainspring.web.pages.sign_in_pages import SignInPages


class AuthSetup:
    """One of a web process. `is_alone` = only this machine reaches its pages; `fault` = why the provider lets nobody in."""

    def __init__(
        self,
        settings: Settings,
        store: ProcessStore,
        secrets: SecretStore,
        clock: Clock,
        *,
        is_alone: bool,
        cost: ScryptCost | None = None,
    ) -> None:
        self.site = PublicSite(settings.web, is_alone=is_alone)
        self.gate = Authenticator(self.site, store, clock)
        self.sign_in = SignInService(store, clock, cost)
        self._store = store
        self._clock = clock
        self._is_alone = is_alone
        self._start = settings.web.seen_as
        oidc = settings.web.oidc
        provider = provider_label(oidc)
        self._anyone = SetupGuard(store, clock, is_alone=is_alone, has_provider=provider is not None)
        self.pages = pages = PageRenderer(settings.project, self.site, self.gate, clock)
        self._enter = SignInPages(pages, self.sign_in, provider)
        back = f"{self._start}/oidc/back"
        self._oidc = OidcPages(oidc, pages, self.sign_in, self._enter, secrets, back) if provider is not None else None
        self.fault = None if self._oidc is None else self._oidc.fault
        self._people = PeoplePages(pages, store, self.sign_in, self._enter.came)

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        elsewhere = [] if self._oidc is None else self._oidc.routes()
        return [*self._enter.routes(), *elsewhere, *self._people.routes(), *self.pages.assets.routes()]

    def around(self, app: ASGIApp) -> AuthMiddleware:
        """Return the application behind the gate."""
        return AuthMiddleware(app, self.gate, self.site, self._anyone.why_closed)

    async def invitation(self, *, again: bool) -> str | None:
        """Return what is said at the start: the start-up link where only this machine hears it, else why nothing is served yet.

        `again` = also where there are people already. Raises StoreError.
        """
        if not self._is_alone:
            return await self._anyone.why_closed()
        people = await asyncio.to_thread(reads.people, self._store.reader)
        if people and not again:
            return None
        token = await asyncio.to_thread(lambda: offer_link(self._store, clock=self._clock))
        return f"pages: {self._start}/first?token={token} (opens once, within ten minutes, as admin)"

"""The pages of who may come in, put together: the gate, the entrance around the application, the start-up link."""

import asyncio

from starlette.routing import Route
from starlette.types import ASGIApp

from mainspring.config import Settings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.clock import Clock
from mainspring.resources.secret_store import SecretStore
from mainspring.service.people import offer_link
from mainspring.service.sign_in import SignIn
from mainspring.store.process_store import ProcessStore
from mainspring.store.reads import people as reads
from mainspring.web.anyone import Anyone
from mainspring.web.entrance import Entrance
from mainspring.web.gate import Gate
from mainspring.web.oidc_pages import OidcPages, provider_name
from mainspring.web.own_site import OwnSite
from mainspring.web.pages import Pages
from mainspring.web.people_pages import PeoplePages
from mainspring.web.sign_in_pages import SignInPages


class WaysIn:
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
        self.site = OwnSite(settings.web, is_alone=is_alone)
        self.gate = Gate(self.site, store, clock)
        self.sign_in = SignIn(store, clock, cost)
        self._store = store
        self._clock = clock
        self._is_alone = is_alone
        self._start = settings.web.seen_as
        oidc = settings.web.oidc
        provider = provider_name(oidc)
        self._anyone = Anyone(store, clock, is_alone=is_alone, has_provider=provider is not None)
        self.pages = pages = Pages(settings.project, self.site, self.gate, clock)
        self._enter = SignInPages(pages, self.sign_in, provider)
        back = f"{self._start}/oidc/back"
        self._oidc = OidcPages(oidc, pages, self.sign_in, self._enter, secrets, back) if provider is not None else None
        self.fault = None if self._oidc is None else self._oidc.fault
        self._people = PeoplePages(pages, store, self.sign_in, self._enter.came)

    def routes(self) -> list[Route]:
        """Return the paths that are answered."""
        elsewhere = [] if self._oidc is None else self._oidc.routes()
        return [*self._enter.routes(), *elsewhere, *self._people.routes(), *self.pages.assets.routes()]

    def around(self, app: ASGIApp) -> Entrance:
        """Return the application behind the gate."""
        return Entrance(app, self.gate, self.site, self._anyone.why_closed)

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

"""A web process's application on a real store, as browsers and programs see it; passwords are cheap there."""

import re
from types import SimpleNamespace

import httpx2
from msgspec.structs import replace

from mainspring.app.processes.host_status import HostStatus
from mainspring.config import Settings
from mainspring.config.web_settings import OidcSettings, WebSettings
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.resources.secret_store import SecretStore
from mainspring.service.access import people
from mainspring.service.actor import Actor, operation_context
from mainspring.store.read.status.status import audit_rows
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.auth_setup import AuthSetup
from mainspring.web.pages.incident_pages import IncidentPages
from mainspring.web.routes import ProbeRoutes
from mainspring.web.webhooks.request_counts import WebhookCounts

PASSWORD = "correct horse battery"
OWN = {"sec-fetch-site": "same-origin"}
CHEAP = ScryptCost(log_n=4)


class Site:
    """The whole application, with the admin ana and the viewer bob, who sees billing only."""

    def __init__(self, path, *, public_url=None, is_local_only=True, people=True, oidc=None, **web):
        self.clock = SystemClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        settings = replace(Settings(), web=WebSettings(public_url=public_url, oidc=oidc or OidcSettings(), **web))
        secrets = SecretStore.of(None, {"MAINSPRING_SECRET_OIDC": "what only the client knows: +&%"})
        self.auth = AuthSetup(settings, self.store, secrets, self.clock, is_local_only=is_local_only, cost=CHEAP)
        incidents = IncidentPages(settings, self.store, secrets, self.clock)
        host_checks = SimpleNamespace(missing=lambda: HostStatus({}, {}, []).missing, is_open=True)
        webhook_state = SimpleNamespace(listen_error=None, table=[], counts=WebhookCounts())
        self.routes = ProbeRoutes(
            SimpleNamespace(store=self.store),
            host_checks,
            None,
            is_open=True,
            intake=webhook_state,
            more=[*incidents.routes(), *self.auth.routes()],
        )
        self.app = self.auth.around(self.routes.app())
        if people:
            self.add("ana", Role.ADMIN)
            self.add("bob", Role.VIEWER, ["billing-*"])

    def act(self):
        return operation_context(Actor.web("ana"), self.clock)

    def add(self, name, role, automations=None):
        people.add_person(self.store, name, role, automations, PASSWORD, clock=self.clock, act=self.act(), cost=CHEAP)

    def token(self, name="bot", role=Role.OPERATOR, automations=None):
        return people.make_token(self.store, name, role, automations, None, clock=self.clock, act=self.act())

    def operations(self):
        return [(row.verb, row.subject, row.actor) for row in audit_rows(self.store.reader)]

    def browser(self, **headers):
        return Browser(self, headers)


class Browser:
    """Keeps cookies and fills in forms as a person would."""

    def __init__(self, site, headers):
        self.site = site
        self.headers = headers
        self.cookies = {}

    async def ask(self, method, path, *, headers=None, **options):
        transport = httpx2.ASGITransport(self.site.app)
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:7171") as client:
            answer = await client.request(method, path, headers=sent, **options)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0].strip('"')
        return answer

    async def get(self, path, **options):
        return await self.ask("GET", path, **options)

    async def sign_in(self, name="ana", password=PASSWORD, *, back="", headers=OWN):
        return await self.ask(
            "POST", "/sign-in", data={"name": name, "password": password, "next": back}, headers=headers
        )

    async def submit(self, path, act, *, headers=OWN, form=None, page=None, more=None, **fields):
        """Press a button of a page, with what that page's forms carry; `more` = fields whose names are those of options here."""
        found = (await self.get(path)).text
        form = hidden(found, "form") if form is None else form
        page = hidden(found, "page") if page is None else page
        return await self.ask(
            "POST", path, data={"act": act, "form": form, "page": page, **fields, **(more or {})}, headers=headers
        )


def hidden(page, name):
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""

"""The pages in this process, on a real store, behind the real gate; who asks has signed in with a password."""

import re
from urllib.parse import urlencode

from mainspring.config import Settings
from mainspring.domain.access.permissions import Role
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.api.call import HandlerContext
from mainspring.web.dashboard.pages_asgi import DashboardApp
from tests.api_world import BACKUP, PAY, announce
from tests.unit.web.auth_site import CHEAP, OWN, hidden
from tests.unit.web.auth_site import Site as AuthSite

PEOPLE = {
    "ana": (Role.ADMIN, None),
    "olga": (Role.OPERATOR, None),
    "vic": (Role.VIEWER, None),
    "payer": (Role.OPERATOR, ["pay*"]),
}


class PageWorld:
    """A web process's application; two automations are announced, `pay` and `backup`. `store` is for anyone who makes more."""

    def __init__(self, path, *, public_url=None):
        self.auth = AuthSite(path, people=False, public_url=public_url)
        self.store, self.clock = self.auth.store, self.auth.clock
        self.store.open_session("worker")
        announce(self.store, PAY, BACKUP)
        for name, (role, automations) in PEOPLE.items():
            self.auth.add(name, role, automations)
        self._routes = list(self.auth.routes._more)
        self._browsers = {}
        self.use(Settings())

    def use(self, settings, sealing=PLAIN_SEALING):
        """Serve with these settings and sealing from here on."""
        self.site = HandlerContext(self.store, sealing, settings, self.clock, CHEAP)
        self.api = ApiApp(self.auth.auth.authenticator, self.site)
        pages = DashboardApp(self.auth.auth.pages, self.site)
        self.auth.routes._more = [*self._routes, self.api.mounted(), pages.mounted()]
        self.auth.app = self.auth.auth.around(self.auth.routes.app())

    async def browser(self, who="ana"):
        if who not in self._browsers:
            found = self.auth.browser()
            if who != "nobody":
                assert (await found.sign_in(who)).status_code == 303
            self._browsers[who] = found
        return self._browsers[who]

    async def get(self, path, *, who="ana", status=200, **query):
        """Return the text of a page."""
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        answer = await (await self.browser(who)).get(address)
        assert answer.status_code == status, answer.text
        return answer.text

    async def visible_to(self, part, path, *who):
        """Tell of each of these people whether the page has this part for them: what no one sees is hidden from no one."""
        return [part in await self.get(path, who=person) for person in who or ("ana", "vic")]

    async def submit(self, path, act, *, who="ana", onward=None, **fields):
        """Press a button of a page and return what the page that it leads to shows; on an error, what is shown then."""
        browser = await self.browser(who)
        answer = await browser.submit(path, act, **fields)
        if answer.status_code != 303:
            return answer
        where = answer.headers["location"]
        assert onward is None or where.partition("?")[0] == onward, where
        return await browser.get(where)

    def begin(self, definition=PAY, data=b'{"amount":1}'):
        """Start a run and return its id."""
        act = operation_context(Actor.cli("ann", "box"), self.clock)
        return start(self.store, self.clock, definition, data, act=act, sealing=PLAIN_SEALING).run

    def close(self):
        self.api.close()
        self.store.close()


def printed_text(text):
    """Return the sentence that is reported above a page."""
    found = re.search(r'<p class="message[^"]*" role="status">(.*?)</p>', text, re.S)
    return found[1] if found else ""


__all__ = ["OWN", "PEOPLE", "PageWorld", "hidden", "printed_text"]

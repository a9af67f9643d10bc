"""The page behind a link: looked at by robots it changes nothing, pressed twice it acts once, and other sites cannot press."""

import asyncio
import re

import httpx2
import msgspec
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette

from mainspring.config import Settings
from mainspring.config.web_settings import WebSettings
from mainspring.domain.access.incident_link import LINK_LIFETIME_S, IncidentLinkToken
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read import incidents
from mainspring.store.read.status.status import audit_rows as audit
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.pages.incident_pages import IncidentPages
from mainspring.web.server import form_reader

KEY = "a key that only the test knows"
OWN = {"sec-fetch-site": "same-origin"}
HOSTILE = "<script>alert(1)</script>\" onmouseover='x'"


class Site:
    """A store with one incident, and a browser."""

    def __init__(self, path):
        self.clock = SystemClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        settings = replace(Settings(), web=WebSettings(public_url="https://ops.example.com/ms"))
        pages = IncidentPages(
            settings, self.store, SecretStore.of(None, {"MAINSPRING_SECRET_LINK_KEY": KEY}), self.clock
        )
        self.app = Starlette(routes=pages.routes())
        finding = Finding(
            subject=Subject("backup", IncidentKind.SILENCE),
            severity=Severity.PAGE,
            text=f"no success {HOSTILE}",
            since_at=1,
            hint=HOSTILE,
        )
        now = self.clock.now()
        self.store.apply(
            RecordEvaluation(
                started_at=now,
                found=(EvaluatedFinding(id="i_01", finding=finding, to=(NotificationTarget(0, "ops"),)),),
            )
        )
        self.token = IncidentLinkToken("i_01", 1, now // 1000 + LINK_LIFETIME_S).token(KEY)

    async def ask(self, method, path=None, **options):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://here") as client:
            return await client.request(method, path or f"/i/{self.token}", **options)

    async def submit(self, act, *, seen=None, name="ana", headers=OWN, **options):
        seen = (
            seen if seen is not None else re.search(r'name="seen" value="([0-9.]+)"', (await self.ask("GET")).text)[1]
        )
        return await self.ask("POST", data={"act": act, "seen": seen, "name": name}, headers=headers, **options)

    @property
    def state(self):
        return incidents.incident(self.store.reader, "i_01").state

    def operations(self):
        return [(view.verb, view.actor) for view in audit(self.store.reader)]

    def rows(self):
        return self.store.reader.read_text(
            "select (select count(*) from audit_log) + (select count(*) from incident_moves)"
        )


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "s.db")
    yield site
    site.store.close()


@pytest.mark.asyncio
async def test_opening_a_link_changes_nothing(site):
    """A scanner opens it twenty times by GET and HEAD; afterwards the button works."""
    before = site.rows()
    for _ in range(20):
        assert (await site.ask("GET")).status_code == (await site.ask("HEAD")).status_code == 200
    assert (site.rows(), site.state) == (before, "open")
    answer = await site.submit("acknowledge")
    assert answer.status_code == 200
    assert (site.state, site.operations()) == ("acknowledged", [("acknowledge", "link:ana")])


@pytest.mark.asyncio
async def test_button_works_once(site):
    """Pressed twice it is answered as before; who comes later reads who was faster."""
    seen = re.search(r'name="seen" value="([0-9.]+)"', (await site.ask("GET")).text)[1]
    for _ in range(2):
        assert (await site.submit("acknowledge", seen=seen)).status_code == 200
    late = await site.submit("resolve", seen=seen, name="bob")
    assert "it is acknowledged already" in late.text
    assert "acknowledge by link:ana" in late.text
    assert (site.state, len(site.operations())) == ("acknowledged", 1)


@pytest.mark.asyncio
async def test_foreign_text_is_escaped(site):
    """Nothing of an error runs, whatever it says; nothing is loaded from elsewhere or kept."""
    answer = await site.ask("GET")
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert 'href="/ms/assets/look-' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    named = await site.submit("acknowledge", name=HOSTILE)
    assert "<script>" not in named.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}, {"origin": "https://evil.example"}, {}]
)
async def test_other_sites_cannot_submit(site, headers):
    """Nor can what says nothing of where it comes from."""
    assert (await site.submit("resolve", headers=headers)).status_code == 403
    assert site.state == "open"


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["x?", "x#", "["])
async def test_host_header_leads_to_no_other_page(site, host):
    """Whether the run is meant is said by the path alone."""
    for path in (f"/i/{site.token}", f"/i/{site.token}/run"):
        assert (await site.ask("GET", path, headers={"host": host})).text == (await site.ask("GET", path)).text


@pytest.mark.asyncio
@pytest.mark.parametrize("origin", ["https://ops.example.com", "http://here"])
async def test_browser_without_fetch_metadata_can_submit(site, origin):
    """Its origin is ours, by the public address or by the one that it asked."""
    assert (await site.submit("resolve", headers={"origin": origin})).status_code == 200
    assert site.state == "resolved"


@pytest.mark.asyncio
async def test_link_is_over_with_its_opening(site):
    """An incident that came back is another matter; so is one that no one knows any more."""
    other = IncidentLinkToken("i_01", 2, site.clock.now() // 1000 + 60).token(KEY)
    gone = IncidentLinkToken("i_77", 1, site.clock.now() // 1000 + 60).token(KEY)
    for token in (other, gone, "nonsense", site.token[:-1] + "-"):
        assert (await site.ask("GET", f"/i/{token}")).status_code == 404
        assert (await site.ask("POST", f"/i/{token}", data={"act": "resolve"}, headers=OWN)).status_code == 404
    assert site.state == "open"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"x" * 70_000, "application/x-www-form-urlencoded"), (b'{"act":"resolve"}', "application/json")],
)
async def test_form_of_another_kind_does_nothing(site, content, kind):
    """Too large, or no form."""
    answer = await site.ask("POST", content=content, headers={**OWN, "content-type": kind})
    assert (answer.status_code, site.state) == (413, "open")


@pytest.mark.asyncio
async def test_form_that_never_ends_is_not_waited_for(site, monkeypatch):
    """Anyone who asks need not be known: a hundred such would keep the probes from being answered."""

    async def endless():
        yield b"act=resolve"
        await asyncio.Event().wait()

    monkeypatch.setattr(form_reader, "FORM_WITHIN_S", 0.01)
    headers = {**OWN, "content-type": "application/x-www-form-urlencoded"}
    answer = await site.ask("POST", content=endless(), headers=headers)
    assert (answer.status_code, site.state) == (413, "open")


@pytest.mark.asyncio
async def test_unknown_operation_does_nothing(site):
    """A forged form is refused as such."""
    assert "there is no operation" in (await site.submit("delete")).text
    assert site.operations() == []


@pytest.mark.asyncio
async def test_runbook_of_a_docstring_is_on_the_page(site):
    """Its words, as text; without one nothing is said of it."""
    assert "Runbook" not in (await site.ask("GET")).text
    definition = Definition(
        kind=DefinitionKind.SCRIPT, name="backup", doc="Saves it.", guide=f"Call Ana. {HOSTILE}", command=["true"]
    )
    row = AutomationRow("backup", "script", 1, "f", msgspec.json.encode(definition.to_data()))
    site.store.apply(AnnounceDefinitions("code", (row,), (), ()))
    text = (await site.ask("GET")).text
    assert "<h2>Runbook</h2>" in text
    assert "Call Ana. &lt;script&gt;" in text
    assert "mainspring auto show backup" in text


@pytest.mark.asyncio
async def test_times_are_relative_and_on_the_clock(site):
    """A phone shows no title, so both stand there; each act too."""
    await site.submit("acknowledge")
    text = (await site.ask("GET")).text
    since = text.partition("<dt>Since</dt>")[2].partition("</dd>")[0]
    assert re.search(r"\d+d(\d+h)? ago</time>", since)
    assert "1970-01-01 00:00:00 UTC" in since
    history = text.partition("<h2>History</h2>")[2]
    assert re.search(r"(now|s ago)</time>.*acknowledge by link:ana", history)

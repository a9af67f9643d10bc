"""The path of a person woken at night: from the link in a message to the failed step's error to its retry, in three taps on a phone."""

import asyncio
from pathlib import Path

import pytest
from starlette.applications import Starlette

import mainspring as ms
from mainspring.alerting.evaluation import Evaluator
from mainspring.config import Settings
from mainspring.domain.access.incident_link import LINK_LIFETIME_S, IncidentLinkToken
from mainspring.domain.clock import SystemClock
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.states import IncidentState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.secret_store import SecretStore
from mainspring.store.read import incidents
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.status.status import audit_rows
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.pages.assets import Assets
from mainspring.web.pages.incident_pages import IncidentPages
from tests.acceptance.engine_world import World
from tests.browser import chromium, served

pytestmark = pytest.mark.timeout(120)
KEY = "a key that only the test knows"
PHONE = {"width": 360, "height": 740}
REFUSED = "403 AccessDenied: the bucket refused the key"


def backup(folder: Path) -> tuple[Registry, object]:
    """Return a workflow whose second step fails until the file `key` is there; each step leaves a line in `done`."""

    def note(name: str) -> None:
        with (folder / "done").open("a") as lines:
            lines.write(f"{name}\n")

    def dump() -> int:
        note("dump")
        return 7

    def upload(pages: int) -> int:
        print(f"uploading {pages} pages with password=hunter2hunter2")
        if not (folder / "key").exists():
            raise ms.Permanent(REFUSED, hint="Renew the key of the bucket.")
        note("upload")
        return pages

    with Registry() as registry:

        @ms.workflow(name="backup")
        async def work(run: ms.Run) -> int:
            return await run.step(upload, await run.step(dump))

    return registry, work


async def fail(folder: Path) -> str:
    registry, work = backup(folder)
    async with World(folder).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        return run.id


async def go_on(folder: Path, run: str) -> None:
    registry, _ = backup(folder)
    async with World(folder).engine(registry) as engine:
        await engine.until(run, RunState.SUCCEEDED)


@pytest.fixture
def site(tmp_path):
    """A store with a run that really failed, which a watcher found, and the web process's pages of it."""
    run = asyncio.run(fail(tmp_path))
    clock = SystemClock()
    store = SqliteStore(tmp_path / "state.db", clock=clock)
    store.open()
    store.open_session("watcher")
    Evaluator(
        store, clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(channels=("ops",)), redact=lambda text: text
    ).evaluate_once()
    pages = IncidentPages(Settings(), store, SecretStore.of(None, {"MAINSPRING_SECRET_LINK_KEY": KEY}), clock)
    (incident,) = [
        incident for incident in incidents.open_incidents(store.reader, 9) if incident.subject.automation == "backup"
    ]
    token = IncidentLinkToken(incident.id, incident.opened, clock.now() // 1000 + LINK_LIFETIME_S).token(KEY)
    with served(Starlette(routes=[*pages.routes(), *Assets().routes()])) as address:
        yield store, incident, run, f"{address}/i/{token}"
    store.close()


def test_from_the_message_to_the_retry_in_three_taps(site, tmp_path):
    """The link, the failed run, Retry: nothing is typed, no one signs in, and what was done before is not done again."""
    store, incident, run, link = site
    with chromium() as browser:
        page = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()
        loud = []
        page.on("console", lambda message: loud.append(message.text))
        page.goto(link)  # the first tap, in the message
        assert page.locator(".error").inner_text() == f"Permanent: {REFUSED} (test_pages_at_night.py:48 in upload)"
        first = page.locator("main button").first
        assert first.inner_text() == "Retry from upload"
        assert first.bounding_box()["y"] + first.bounding_box()["height"] <= PHONE["height"]
        assert first.bounding_box()["height"] >= 44
        page.get_by_role("link", name="The failed run").tap()  # the second
        assert "password=***" in page.locator(".tail").inner_text()
        assert page.locator(".attempts .stopped").inner_text().count(REFUSED) == 1
        assert "Renew the key of the bucket." in page.locator("main").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert store.reader.read_text("select count(*) from audit_log where actor like 'link:%'") == [(0,)]
        page.get_by_role("button", name="Retry from upload").tap()  # the third
        page.locator(".message", has_text=f"run {run} continues").wait_for()
        assert page.get_by_role("button", name="Retry").count() == 0
        assert loud == []
    assert run_view(store.reader, run).state is RunState.QUEUED
    newest = audit_rows(store.reader, limit=1)[0]
    assert (newest.verb, newest.actor) == ("retry", "link:someone")
    assert incidents.incident(store.reader, incident.id).state is IncidentState.OPEN
    (tmp_path / "key").touch()
    asyncio.run(go_on(tmp_path, run))
    assert (tmp_path / "done").read_text() == "dump\nupload\n"

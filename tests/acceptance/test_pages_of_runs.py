"""The page of a run in a real browser: it moves while the run does, and is clear to anyone who cannot see it."""

import io
import random
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe

from mainspring.app.stores.blob_place import make_large_values
from mainspring.config import Settings
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts.file_ref import FileRef, put_file
from mainspring.store.commands.logs import SaveLogs
from tests.browser import chromium, served, sign_in
from tests.contract.store.process import BOOM, fail, finish, outcome
from tests.unit.web.dashboard.page_world import PageWorld
from tests.unit.web.dashboard.run_world import HOSTILE, claimed, lines


@pytest.fixture
def world(tmp_path):
    found = PageWorld(tmp_path / "s.db")
    yield found
    found.close()


def serious(page):
    """Return what axe finds that hinders someone."""
    found = Axe().run(page).response["violations"]
    return [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.slow
def test_page_of_a_run_moves_with_it_and_retries_by_one_tap(world):
    """Lines come in by themselves, then the end; on a phone nothing has to be pushed aside to press Retry."""
    run = claimed(world)
    with served(world.auth.app) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 740}, has_touch=True)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        sign_in(page, address)
        errors.clear()  # of the page before
        page.goto(f"{address}/r/{run.id}")
        page.wait_for_selector("[data-live=on]")
        world.store.apply(outcome(run, 1, "dump"))
        world.store.apply(SaveLogs(run.id, (lines("upload", f"403 {HOSTILE}"),)))
        page.get_by_text(f"403 {HOSTILE}").wait_for()
        world.store.apply(outcome(run, 2, "upload", state=OutcomeState.FAILED, failure=BOOM, output=None))
        world.store.apply(fail(run, "upload", rank=2))
        page.get_by_text("It failed at step upload").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert serious(page) == []
        page.goto(f"{address}/runs?state=failed")
        assert serious(page) == []
        page.get_by_text(run.id).tap()
        page.get_by_role("button", name="Retry from the failed step").tap()
        page.get_by_text(f"Done: retry run {run.id}.").wait_for()
        assert errors == []


@pytest.mark.slow
def test_page_that_moves_leaves_open_what_was_opened_and_a_hidden_one_has_no_stream(world):
    """One stream a tab while it is seen, none while it is not; seen again, it has what came meanwhile."""
    run = claimed(world)
    with served(world.auth.app) as address, chromium() as browser:
        page = browser.new_page()
        sign_in(page, address)
        page.goto(f"{address}/r/{run.id}")
        page.wait_for_selector("[data-live=on]")
        page.locator("main details:not([open]) > summary").first.click()
        opened = page.locator("main details[open]").count()
        assert opened >= 1
        world.store.apply(outcome(run, 1, "dump"))
        page.locator("table.steps", has_text="dump").wait_for()
        assert page.locator("main details[open]").count() == opened
        assert world.api.changes.open == 1
        hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
        seen = f"{hide}; document.dispatchEvent(new Event('visibilitychange'))"
        page.evaluate(seen % "true")
        while world.api.changes.open:
            page.wait_for_timeout(20)
        world.store.apply(outcome(run, 2, "pack"))
        page.evaluate(seen % "false")
        page.locator("table.steps", has_text="pack").wait_for()


def test_form_that_could_not_be_done_is_not_lost_and_times_are_the_servers(world):
    """What was typed and why it could not be done stay, though all the page shows has changed; a clock that is wrong changes no span."""
    world.begin()
    with served(world.auth.app) as address, chromium() as browser:
        page = browser.new_page()
        page.clock.install(time=datetime.now(UTC) - timedelta(minutes=10))
        sign_in(page, address)
        page.goto(f"{address}/runs")
        page.wait_for_selector("[data-live=on]")
        assert "in " not in page.locator("time").first.inner_text()
        page.goto(f"{address}/a/pay")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.fill("input[name=for]", "nonsense")
        page.locator("input[name=reason]").first.fill("mending")
        page.click("button[value=pause]")
        page.wait_for_selector(".message.failing")
        page.wait_for_selector("[data-live=on]")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        world.begin()
        script = "new Promise((go) => new EventSource('/api/v1/changes').addEventListener('changed', go)).then(() => 1)"
        assert page.evaluate(script) == 1
        page.clock.fast_forward(10_000)
        assert "is not a span of time" in page.locator(".message").inner_text()
        assert page.input_value("input[name=for]") == "nonsense"
        assert f"{address}/a/pay" not in requests


@pytest.mark.slow
def test_file_of_a_run_is_downloaded_by_one_tap(world, tmp_path):
    """Whatever it is called and holds: the browser saves it under a safe name, and shows nothing of it."""
    sealing = Sealing(large=make_large_values(tmp_path / "s.db", world.clock.now))
    content = b"<script>window.hit = 1</script>" + random.Random(2).randbytes(9_000_000)
    chunks = StoreFileChunks(sealing)
    file = put_file(FileRef, chunks, io.BytesIO(content), "bericht \u00fc <img src=x onerror=hit=1>.html", None)
    run = claimed(world)
    world.store.apply(finish(run, result=sealing.seal(encode({"report": file}))))
    world.use(Settings(), sealing)
    with served(world.auth.app) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 740}, has_touch=True)
        sign_in(page, address)
        page.goto(f"{address}/r/{run.id}")
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download bericht").tap()
        download = waiting.value
        assert download.suggested_filename.startswith("bericht \u00fc")
        assert not set(download.suggested_filename) & set('/\\"<>')
        assert download.path().read_bytes() == content
        page.goto(f"{address}/r/{run.id}")
        assert page.evaluate("window.hit") is None

"""The pages in a real browser, on a project whose processes really run."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from mainspring.web.dashboard.page_table import PAGES
from tests.acceptance.browsing import Site, page_of, site
from tests.browser import chromium
from tests.hostile import PAYLOADS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A project in which something failed, something asks, something waits, and much is hostile."""
    with site(tmp_path_factory.mktemp("shop")) as found:
        failed, question_run, waiting = found.run("order"), found.run("ask"), found.run("long")
        for text in PAYLOADS:
            found.api("POST", "automations/say/runs", input={"text": text})
        found.api("POST", "events", name="go", data={"text": PAYLOADS[0]})
        found.until_state(failed, "failed")
        found.until_state(question_run, "waiting")
        found.until_state(waiting, "waiting", "running")
        found.project.until(lambda: list(found.project.states().values()).count("failed") == len(PAYLOADS) + 1)
        found.names = names_of(found, failed) | {"question_run": question_run}
        yield found


def names_of(shop: Site, failed: str) -> dict[str, str]:
    """Return something real for each name in a path."""
    project = shop.project
    project.until(lambda: project.json("incidents", "list"))
    return {
        "run": failed,
        "automation": "say",
        "incident": project.json("incidents", "list")[0]["id"],
        "monitor": "silence",
        "flag": make_flag(shop),
        "rollout": start_rollout(shop),
        "schedule": create_schedule(shop),
        "bulk": shop.api("POST", "bulk", verb="retry", name="say", limit=1)["bulk"],
        "trigger": project.json("triggers", "list")[0]["name"],
        "event": shop.api("GET", "events")["items"][0]["id"],
        "question": shop.api("GET", "questions")["items"][0]["ident"],
        "delivery": project.until(lambda: shop.api("GET", "deliveries")["items"])[0]["id"],
    }


def make_flag(shop: Site) -> str:
    """Create a flag with text from outside, and return its name."""
    shop.api("POST", "flags/new%20cart/set", percent=5, about=PAYLOADS[0], allow=[PAYLOADS[0]], owner=PAYLOADS[1])
    return "new cart"


def create_schedule(shop: Site) -> str:
    """Create a schedule with text from outside in its input and reason, and return its name."""
    body = {"automation": "say", "every": "1d", "input": {"text": PAYLOADS[0]}, "reason": PAYLOADS[1]}
    shop.api("POST", "schedules/new%20report/create", **body)
    return "new report"


def start_rollout(shop: Site) -> str:
    """Start a rollout for a reason with text from outside, and return its id."""
    started = shop.api("POST", "automations/ask/rollout/start", version=2, reason=PAYLOADS[0])
    return str(started["rollout"]["id"])


def paths(shop: Site) -> dict[str, str]:
    """Return the path of each page of the table, with real names in it."""
    found = {}
    for page in PAGES:
        path = page.path.replace("{run}/{question}", "{question_run}/{question}")
        found[page.path] = re.sub(r"\{(\w+)\}", lambda m: quote(shop.names[m[1]], safe=""), path)
    return found


def test_no_text_from_outside_becomes_a_script(browser: Browser, shop: Site) -> None:
    """Forty payloads in titles, logs, errors, hints and JSON, on every page: nothing of them is more than text."""
    page = page_of(browser, shop)
    messages: list[str] = []
    page.on("dialog", lambda dialog: messages.append(dialog.message))
    page.on("console", lambda line: messages.append(line.text) if "Content Security Policy" in line.text else None)
    runs = [run for run, state in shop.project.states().items() if state == "failed"]
    run_path = f"/r/{next(run for run in runs if run != shop.names['run'])}"
    pages = (
        f"{run_path}/journal",
        f"{run_path}?step=*",
        f"{run_path}?{urlencode({'step': PAYLOADS[0], 'q': PAYLOADS[0]})}",
    )
    lists = ("/runs?name=say&limit=200", "/search?q=window")
    every = [*paths(shop).values(), *(f"/r/{run}" for run in runs), *pages, *lists]
    for path in every:
        page.goto(shop.address + path)
        assert page.evaluate("window.hit") is None, path
        handlers = ", ".join(f"[on{event}]" for event in ("error", "load", "mouseover", "focus", "toggle"))
        planted = f"{handlers}, base, iframe, object, embed, marquee, [style]:not(.chart *)"
        assert page.locator(planted).count() == 0, path
        assert page.locator("script:not([src])").count() == 0, path
        assert page.locator('a[href^="javascript:"]').count() == 0, path
    assert messages == []
    page.close()


def test_every_page_can_be_used_by_everybody(browser: Browser, shop: Site) -> None:
    """Axe finds nothing serious, by day and by night; and at the width of a phone no page has to be moved sideways."""
    page = page_of(browser, shop, width=360, height=740)
    errors = []
    for path in paths(shop).values():
        page.emulate_media(color_scheme="light")
        page.goto(shop.address + path)
        found = Axe().run(page).response["violations"]
        page.emulate_media(color_scheme="dark")  # nothing but the colours is another one
        found += Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]
        errors += [
            (path, violation["id"], [node["html"][:120] for node in violation["nodes"][:3]])
            for violation in found
            if violation["impact"] in ("serious", "critical")
        ]
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > 360:
            errors.append((path, "too wide", wide))
    assert errors == []
    page.close()


def test_charts_of_the_first_hour_have_all_of_the_time_and_their_legends_places_of_their_own(
    browser: Browser, shop: Site
) -> None:
    """At the width of a phone: the newest hour is at the right edge of thirty days, and nothing stands on what follows."""
    page = page_of(browser, shop, width=360, height=740)
    page.add_init_script(
        "window.drawn = []; addEventListener('DOMContentLoaded', () => { const made = uPlot;"
        " window.uPlot = class extends made { constructor(...all) { super(...all); drawn.push(this); } }; });"
    )
    page.goto(f"{shop.address}/a/order")
    for stats, following in (("duration", "#success"), ("success", "text=Days as a table")):
        legend = page.locator(f".chart[data-stats={stats}] .u-legend").bounding_box()
        below = page.locator(following).bounding_box()
        assert legend is not None
        assert below is not None
        assert legend["y"] + legend["height"] <= below["y"], stats
    page.wait_for_function("drawn.length === 2")
    for x, hour_at in page.evaluate("drawn.map((chart) => [chart.scales.x, chart.data[0].at(-2)])"):
        assert x["max"] - x["min"] > 29 * 86_400
        assert x["min"] <= hour_at <= x["max"]
    (percents,) = page.evaluate(
        "drawn.filter((chart) => chart.series[1].label === 'success rate').map((chart) => chart.data[1])"
    )
    assert [percents[0], percents[-1]] == [None, None]
    assert percents[1:-1]
    assert all(0 <= percent <= 100 for percent in percents[1:-1] if percent is not None)
    page.close()


def test_phone_navigation_marks_the_current_page(browser: Browser, shop: Site) -> None:
    """Whichever it is; the page itself is not moved for it."""
    page = page_of(browser, shop, width=360, height=740)
    for path in ("/", "/runs", "/schedule"):
        page.goto(shop.address + path)
        bar = page.locator(".bar-line > nav").bounding_box()
        here = page.locator(".bar-line > nav [aria-current]").bounding_box()
        assert bar is not None
        assert here is not None
        assert bar["x"] <= here["x"] + 1, path
        assert here["x"] + here["width"] <= bar["x"] + bar["width"] + 1, path
        assert page.evaluate("scrollY") == 0
    page.close()


def test_question_is_answered_by_a_button(browser: Browser, shop: Site) -> None:
    """From the list of what waits for a person."""
    run = shop.run("ask")
    shop.until_state(run, "waiting")
    page = page_of(browser, shop)
    page.goto(f"{shop.address}/waiting")
    page.locator(f'form:has([value="{run}"]) button', has_text="approve").first.click()
    page.wait_for_selector(".message")
    shop.until_state(run, "succeeded")
    assert shop.project.json("runs", "export", run)["run"]["result"] == "approve"
    page.close()


def test_filters_survive_a_reload(browser: Browser, shop: Site) -> None:
    """They are in the address, and in what is exported."""
    page = page_of(browser, shop)
    page.goto(f"{shop.address}/runs")
    page.locator("nav.chips a", has_text="failed").click()
    page.wait_for_url(re.compile("state=failed"))
    page.fill("input[name=name]", "order")
    page.press("input[name=name]", "Enter")
    page.wait_for_url(re.compile("name=order"))
    assert "state=failed" in page.url
    before = page.locator("main table tbody tr").count()
    page.reload()
    assert page.locator("main table tbody tr").count() == before == 1
    assert page.input_value("input[name=name]") == "order"
    with page.expect_download() as download:
        page.get_by_text("as CSV").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    page.close()


def test_page_outlives_its_server(browser: Browser, tmp_path: Path) -> None:
    """While no one answers, the page says so, and since when; when someone does, it continues by itself."""
    with site(tmp_path) as shop:
        page = page_of(browser, shop)
        page.goto(f"{shop.address}/runs")
        page.wait_for_selector('[data-live="on"]')
        shop.project.stop()
        page.locator('[data-live="lost"]', has_text=re.compile(r"live lost \d+ s ago")).wait_for()
        assert "Runs" in page.inner_text("h1")
        shop.project.up()
        page.wait_for_selector('[data-live="on"]', timeout=60_000)
        run = shop.run("ask")
        page.locator("main", has_text=run).wait_for()
        page.close()


def test_reading_works_without_scripts(browser: Browser, shop: Site) -> None:
    """And so does a press."""
    page = page_of(browser, shop, java_script_enabled=False)
    for path in paths(shop).values():
        answer = page.goto(shop.address + path)
        assert answer is not None, path
        assert answer.status == 200, path
        assert page.locator("h1").count() >= 1, path
    run = shop.run("ask")
    shop.until_state(run, "waiting")
    page.goto(f"{shop.address}/waiting")
    page.locator(f'form:has([value="{run}"]) button', has_text="refund").first.click()
    assert "refund" in page.inner_text(".message")
    shop.until_state(run, "succeeded")
    page.close()


def keys_of(page: Page) -> list[str]:
    """Return the keys that the page lists."""
    return page.locator("#keys kbd").all_inner_texts()


def test_keys_lead_somewhere(browser: Browser, shop: Site) -> None:
    """ "/" searches, "?" lists them, "g" and a letter goes there."""
    page = page_of(browser, shop)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    assert "g" in keys_of(page)
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"{shop.address}/runs")
    page.close()

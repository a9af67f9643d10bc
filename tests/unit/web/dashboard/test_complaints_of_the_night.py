"""What anyone who is woken suffers from in other dashboards, by the name under which it was reported: it does not happen on these pages.

A name says whose complaint it is, its number, and what it was about. Lists and their speed are in `test_complaints_of_peers`.
"""

import gc
import re
from itertools import pairwise
from statistics import median

import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import AttemptState, RunState
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.status.change_tokens import read_change_tokens
from mainspring.store.sqlite.texts import TEXTS
from mainspring.web.api.route import BASE
from mainspring.web.dashboard.page_table import PAGES
from tests.contract.store.process import fail, finish, outcome
from tests.counted_reads import counted
from tests.unit.web.dashboard.page_world import OWN, hidden
from tests.unit.web.dashboard.run_world import claimed, failed

LISTS = [page for page in PAGES if not page.names and page.rows is not None]
_GROWTH = 50
"""Objects that may be left of a page: what Python itself keeps is not told apart."""


async def api(world, path):
    answer = await (await world.browser()).get(f"{BASE}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.asyncio
async def test_temporal_ui_968_where_it_failed_and_with_what_takes_digging(world):
    """The link to the run alone shows the step, its error and what it was given."""
    run = claimed(world)
    world.store.apply(outcome(run, 1, "upload", input=b'{"bucket":"eu"}'))
    world.store.apply(fail(run, "upload", rank=1))
    text = await world.get(f"/r/{run.id}")
    assert "It failed at step upload" in text
    assert "&#34;bucket&#34;: &#34;eu&#34;" in text.partition('id="step"')[2]


@pytest.mark.asyncio
async def test_temporal_ui_312_trace_that_is_ten_miles_of_json(world):
    """Its frames are lines of their own, folded; no JSON is to be read for them."""
    run = claimed(world)
    frames = [f"/srv/pay.py:{n} charge" for n in range(30)]
    world.store.apply(finish(run, RunState.FAILED, failure=Failure("ValueError", "boom", "it broke", frames=frames)))
    text = await world.get(f"/r/{run.id}")
    folded = text.partition("Stack trace</summary>")[2].partition("</details>")[0]
    assert re.findall(r"^(?:.*>)?(/srv/pay.py:\d+ charge)(?:<.*)?$", folded, re.M) == frames
    assert "frames" not in text


@pytest.mark.asyncio
async def test_temporal_ui_136_recovered_failure_seems_fatal(world):
    """A failed attempt of a run that succeeded is on record, and nothing about the run is bad."""
    run = claimed(world)
    failure = Failure("OSError", "io", "try 1 broke")
    first = SaveAttempt(
        run.id, run.claim, "load#1", "load", 0, 1, AttemptState.FAILED, 1, 1, "pay", ended_at=1, failure=failure
    )
    world.store.apply(first)
    world.store.apply(outcome(run, 1, "load#1", attempt=2))
    world.store.apply(finish(run, rank=1))
    text = await world.get(f"/r/{run.id}")
    assert "It succeeded" in text
    assert "good-edge" in text
    assert "bad-edge" not in text
    assert "No incident is open" in await world.get("/incidents")


@pytest.mark.asyncio
async def test_dagster_3790_and_17378_red_square_leads_elsewhere_than_to_the_log_of_the_failed_step(world):
    """The red cell of a strip is a link to the run, which has that step chosen and its log open."""
    run = failed(world)
    strip = await world.get("/a/pay")
    cell = re.search(rf'<a href="(/r/{run})"[^>]*>.*?</a>', strip, re.S)
    assert "bad-fill" in cell[0]
    text = await world.get(cell[1])
    assert re.search(r'<option value="upload" selected', text)
    assert "403 AccessDenied" in text.partition('id="log"')[2]


@pytest.mark.asyncio
async def test_dagster_5236_failed_step_is_first_on_a_phone(world):
    """Both stand before all else, and the page is as wide as the phone."""
    text = await world.get(f"/r/{failed(world)}")
    main = text.partition("<main")[2]
    assert main.index("It failed at step upload") < main.index("Retry from the failed step") < main.index("<table")
    assert '<meta name="viewport" content="width=device-width' in text


@pytest.mark.asyncio
async def test_dagster_12741_no_button_for_errors_only(world):
    """There is one; behind it are errors only."""
    text = await world.get(f"/r/{failed(world)}")
    link = re.search(r'href="([^"]+)">errors only', text)[1].replace("&amp;", "&")
    assert re.findall(r'<span class="text">(.*?)</span>', await world.get(link.partition("#")[0])) == [
        "403 AccessDenied"
    ]


@pytest.mark.asyncio
async def test_prefect_18495_processor_that_is_busy_with_nothing_new(world):
    """Where nothing happened no page asks again, though processes beat; a run that is over hears of nothing at all."""
    run = claimed(world)
    world.store.apply(finish(run))
    before = read_change_tokens(world.store.reader, world.clock.now())
    world.store.apply(RecordHeartbeat(1024, 3))
    after = read_change_tokens(world.store.reader, world.clock.now())
    assert {name for name in before if before[name] != after[name]} <= {"workers"}
    assert 'data-nouns=""' in await world.get(f"/r/{run.id}")


@pytest.mark.asyncio
async def test_prefect_18142_one_page_with_everything_on_it(world):
    """Each page has one head, and the first one begins with the verdict."""
    for page in LISTS:
        assert (await world.get(page.path)).count("<h1") == 1, page.path
    failed(world)
    main = (await world.get("/")).partition("<main")[2]
    assert main.index("<h1") < main.index("<h2")


@pytest.mark.asyncio
async def test_airflow_47887_number_of_runs_that_can_be_chosen_no_more(world):
    """It is in the address, and stays on the way to what is older."""
    for _ in range(5):
        world.begin()
    text = await world.get("/runs", limit=3)
    assert text.count("<tr>") == 1 + 3
    older = re.search(r'href="(/runs\?[^"]*cursor=[^"]*)"', text)[1].replace("&amp;", "&")
    assert "limit=3" in older
    assert (await world.get(older)).count("<tr>") == 1 + 2


@pytest.mark.asyncio
async def test_airflow_55768_58509_69660_memory_that_is_never_returned(world):
    """Nothing is left of a page that was shown, however often: a leak grows in each round, anything else only in some."""
    for _ in range(20):
        failed(world)

    async def count_objects():
        for _ in range(5):
            await world.get("/runs")
        gc.collect()
        return len(gc.get_objects())

    counts = [await count_objects() for _ in range(6)]
    assert median(later - earlier for earlier, later in pairwise(counts)) < _GROWTH


@pytest.mark.asyncio
async def test_n8n_1578_list_of_runs_that_does_not_scale(world):
    """A page is one read of as many as it shows, from a place and not from a number of rows; all pages are all there is, once."""
    runs_started = [world.begin() for _ in range(25)]
    found, next = [], None
    notes = counted(world.store.reader)
    for pages in range(1, 10):
        page = await api(world, f"/runs?limit=10{f'&cursor={next}' if next else ''}")
        found, next = found + [item["id"] for item in page["items"]], page["next"]
        assert notes.count("text") == pages
        if next is None:
            break
    assert found == runs_started[::-1]


@pytest.mark.asyncio
async def test_hatchet_143_and_1412_no_replay_of_a_step_and_no_cancel_of_many(world):
    """A run is continued from any step of it, in a new generation; all runs of a filter are cancelled by one act."""
    run = failed(world)
    browser = await world.browser()
    headers = {**OWN, "x-form-token": hidden((await browser.get("/me")).text, "form")}
    answer = await browser.ask("POST", f"{BASE}/runs/{run}/retry", json={"from_step": "dump"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert run_view(world.store.reader, run).generation == 1
    other_runs = [world.begin() for _ in range(3)]
    answer = await browser.ask(
        "POST", f"{BASE}/runs/cancel", json={"state": ["queued"], "name": "pay"}, headers=headers
    )
    assert answer.json()["done"] == 1 + len(other_runs)


@pytest.mark.asyncio
async def test_hatchet_934_filters_that_are_not_on_the_screen(world):
    """They stand above what they filter."""
    failed(world)
    filtered = set()
    for page in LISTS:
        main = (await world.get(page.path)).partition("<main")[2]
        if '<form class="filters" method="get"' in main and "<table" in main:
            filtered.add(page.path)
            assert main.index('<form class="filters" method="get"') < main.index("<table"), page.path
    assert {"/runs", "/failed", "/audit-log"} <= filtered


@pytest.mark.asyncio
async def test_healthchecks_915_grace_time_missing_in_the_api(world):
    """Late is a state of its own in the API, on the page, and a filter of both; so is silent."""
    for state in ("late", "silent"):
        assert (await api(world, f"/automations/health?state={state}"))["items"] == []
        assert f">{state}</option>" in await world.get("/automations", state=state)


@pytest.mark.asyncio
async def test_oban_52_counts_that_cost_more_than_the_page(world):
    """What pages count is counted up to a cap; but for what is still to be reported, which is what an index holds of its own."""
    failed(world)
    notes = counted(world.store.reader)
    for page in (page for page in PAGES if not page.names):
        await world.get(page.path)
    counts = {name for name in notes if name.startswith("count_")}
    assert counts - {"count_unsent_alerts"}
    texts = {name: TEXTS.source(name) for name in counts - {"count_unsent_alerts"}}
    assert [name for name, text in texts.items() if "limit" not in text] == []

"""What users of other dashboards suffer from, by the name under which they reported it: it does not happen here.

A name says whose complaint it is, its number, and what it was about. What needs a page that another test looks at is there.
"""

import re

import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import AttemptState, FailureReason, RunState
from mainspring.store.commands.incidents import ErrorGroup, GroupedFailure, RecordEvaluation
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from mainspring.store.read.incidents import ungrouped_failures
from mainspring.store.read.status.change_tokens import read_change_tokens
from mainspring.web.api.route import BASE
from mainspring.web.api.table import ROUTES
from mainspring.web.dashboard.page_table import PAGES
from tests.counted_reads import counted
from tests.unit.web.dashboard.page_world import OWN, hidden

LISTS = [page for page in PAGES if not page.names and page.rows is not None]
MOST_ASSETS = 4
MOST_READS = 90
"""A page needs up to 79 where it is so slow that what pages of one second share is read again; a read for each row would be 60 more."""


def claimed(world, number=100):
    return world.store.apply(ClaimRuns(f"c{world.clock.random_bits(60)}", number)).runs


def fail(world, run, message="it broke"):
    failure = Failure("ValueError", "boom", message)
    world.store.apply(
        FinishRun(
            run.id,
            run.claim,
            RunState.FAILED,
            0,
            failure=failure,
            reason=FailureReason.PERMANENT_ERROR,
            failed_ident="load#1",
        )
    )


async def read_json(world, path, **options):
    answer = await (await world.browser()).get(f"{BASE}{path}", **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def act(world, path, body):
    """Act by the API as a script of a page would."""
    browser = await world.browser()
    headers = {**OWN, "x-form-token": hidden((await browser.get("/me")).text, "form")}
    answer = await browser.ask("POST", f"{BASE}{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.asyncio
async def test_airflow_56635_and_prefect_16304_a_list_that_takes_a_minute(world):
    """Each page and each list asks the store a few times for sixty runs: nothing is asked once for each row."""
    for _ in range(60):
        world.begin()
    for run in claimed(world, 20):
        fail(world, run)
    notes = counted(world.store.reader)
    lists = [f"{BASE}{route.path}" for route in ROUTES if route.method == "GET" and not route.names]
    for path in [*lists, *(page.path for page in PAGES if not page.names)]:
        notes.clear()
        world.site.project_status.forget()  # each is counted with the verdict, which pages of one second share
        answer = await (await world.browser()).get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert 0 < len(notes) <= MOST_READS, (path, notes)


@pytest.mark.asyncio
async def test_airflow_61804_memory_that_grows_until_the_process_dies(world):
    """A page is not drawn from a new template each time; that a stream leaves nothing behind is seen with the streams."""
    pages = world.auth.auth.pages
    await world.get("/locks")
    template = pages._templates.get_template("admin/locks.html")
    for _ in range(3):
        await world.get("/locks")
    assert pages._templates.get_template("admin/locks.html") is template


@pytest.mark.asyncio
async def test_prefect_21084_seventy_requests_a_tab(world):
    """A page is itself and a handful of assets, which are kept for ever; it has one stream."""
    for page in (page for page in PAGES if not page.names):
        text = await world.get(page.path)
        assets = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', text))
        assert 0 < len(assets) <= MOST_ASSETS, page.path
        assert "http-equiv" not in text
        assert len(re.findall(r"\bdata-live=", text)) == 1, page.path
    for asset in assets:
        answer = await (await world.browser()).get(asset)
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.asyncio
async def test_prefect_22258_page_size_that_is_forgotten(world):
    """It stands in the address, and the link to what is older keeps it."""
    text = await world.get("/audit-log", limit=2)
    older = re.search(r'href="(/audit-log\?[^"]*cursor=[^"]*)"', text)[1]
    assert "limit=2" in older
    again = await world.get(older.replace("&amp;", "&"))
    assert again.count("<tr") == 1 + 2


@pytest.mark.asyncio
async def test_airflow_51468_blank_page_where_nothing_is(world):
    """It says so, and the way to all other pages stays."""
    text = await world.get("/nothing/here", status=404)
    assert "there is nothing at this path" in text
    assert 'aria-label="Pages"' in text


@pytest.mark.asyncio
async def test_airflow_56250_options_that_are_reset_when_the_page_is_loaded_again(world):
    """Each filter is a form that asks by its address, and shows what it was asked."""
    with_filters = 0
    for page in LISTS:
        text = await world.get(page.path)
        forms = [form for form in re.findall(r"<form[^>]*>", text) if "search" not in form]
        with_filters += any('method="get"' in form for form in forms)
    assert with_filters
    text = await world.get("/deliveries", state="refused")
    assert re.search(r'<option[^>]*value="refused"[^>]*selected|<option[^>]* selected[^>]*>\s*refused', text)


@pytest.mark.asyncio
async def test_dagster_13381_states_that_differ_until_the_page_is_loaded_again(world):
    """Each move of a run moves the mark by which pages that show runs ask again."""
    marks = [read_change_tokens(world.store.reader, world.clock.now())["runs"]]

    def moved():
        marks.append(read_change_tokens(world.store.reader, world.clock.now())["runs"])
        return marks[-1] != marks[-2]

    id = world.begin()
    assert moved()
    (run,) = claimed(world)
    assert moved()
    fail(world, run)
    assert moved()
    await act(world, f"/runs/{id}/retry", {})
    assert moved()


@pytest.mark.asyncio
async def test_temporal_3517_only_the_last_attempt_keeps_its_failure(world):
    """Each has its own."""
    world.begin()
    (run,) = claimed(world)
    for n in (1, 2):
        failure = Failure("OSError", "io", f"try {n} broke")
        world.store.apply(
            SaveAttempt(
                run.id, run.claim, "load#1", "load", 0, n, AttemptState.FAILED, 1, n, "pay", ended_at=n, failure=failure
            )
        )
    fail(world, run, "try 3 broke")
    history = await read_json(world, f"/runs/{run.id}/story")
    messages = [attempt["failure"]["message"] for attempt in history["attempts"]]
    assert messages == ["try 1 broke", "try 2 broke"]
    assert history["run"]["failure"]["message"] == "try 3 broke"


@pytest.mark.asyncio
async def test_temporal_ui_2262_failure_that_is_reported_after_its_end(world):
    """A run that continues has no reason to have failed any more."""
    id = world.begin()
    (run,) = claimed(world)
    fail(world, run)
    assert (await read_json(world, f"/runs/{id}"))["reason"] == FailureReason.PERMANENT_ERROR
    await act(world, f"/runs/{id}/retry", {})
    found = await read_json(world, f"/runs/{id}")
    assert (found["state"], found["reason"], found["failure"]) == (RunState.QUEUED, None, None)


@pytest.mark.asyncio
async def test_temporal_ui_2192_no_filter_for_what_failed_and_prefect_18307_ten_minutes_to_find_it(world):
    """What failed is a filter, of one read, whatever lies around it."""
    for _ in range(30):
        world.begin()
    bad = claimed(world, 30)[7]
    fail(world, bad)
    notes = counted(world.store.reader)
    found = await read_json(world, "/runs?state=failed")
    assert [run["id"] for run in found["items"]] == [bad.id]
    assert notes.count("text") == 1


@pytest.mark.asyncio
async def test_river_590_and_oban_153_many_runs_one_by_one(world):
    """All that a filter finds is one act: counted first, with nothing done, then done, once under one id."""
    for _ in range(30):
        world.begin()
    for run in claimed(world, 30):
        fail(world, run)
    dry = await act(world, "/runs/retry", {"state": ["failed"], "name": "pay", "dry_run": True})
    assert (dry["count"], dry["done"]) == (30, 0)
    done = await act(world, "/runs/retry", {"state": ["failed"], "name": "pay"})
    assert done["done"] == 30
    assert (await read_json(world, "/runs?state=failed"))["items"] == []


@pytest.mark.asyncio
async def test_sidekiq_undertaker_failures_that_cannot_be_grouped(world):
    """What failed alike is one line, with how many it were."""
    for _ in range(4):
        world.begin()
    for n, run in enumerate(claimed(world)):
        fail(world, run, f"cause {n % 2}")
    failures = [
        GroupedFailure(failure.seq, failure.run, failure.at) for failure in ungrouped_failures(world.store.reader)
    ]
    groups = tuple(
        ErrorGroup("pay", f"f{n}", "ValueError", "boom", "load", f"cause {n}", tuple(failures[n::2])) for n in (0, 1)
    )
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), groups=groups))
    found = (await read_json(world, "/errors"))["items"]
    assert {(group["message"], group["number"]) for group in found} == {("cause 0", 2), ("cause 1", 2)}


@pytest.mark.asyncio
async def test_healthchecks_858_no_rule_for_a_share_of_failures(world):
    """There is one, it is on, and it says by what it judges."""
    found = {monitor["name"]: monitor for monitor in (await read_json(world, "/monitors"))["items"]}
    assert found["fail_rate"]["on"]
    assert (await read_json(world, "/monitors/fail_rate"))["rule"]

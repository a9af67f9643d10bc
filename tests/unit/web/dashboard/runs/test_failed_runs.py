"""`/failed`: by error, filtered, counted first, then a bulk act."""

import json
import re
from contextlib import closing

import apsw
import pytest

from mainspring.domain.states import RunState
from mainspring.service.bulk_operation import run_next_piece
from mainspring.service.runs.run import retry
from mainspring.store.read.bulk_operations import bulk_parts, list_bulk_operations
from mainspring.web.api.endpoints.runs import failed_runs
from tests.contract.store.process import finish
from tests.unit.web.dashboard.failed_runs import DENIED, HOSTILE, fall, fall_of_backup, fingerprint_of, group
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import claimed

HOUR = 3_600_000


@pytest.mark.asyncio
async def test_empty_page_teaches_the_command(world):
    """And offers no act on nothing."""
    text = await world.get("/failed")
    assert "mainspring failed list --by error" in text
    assert "count them first" not in text
    assert "No stopped run matches" in await world.get("/failed?name=pay")


@pytest.mark.asyncio
async def test_errors_are_listed_and_lead_to_their_runs(world):
    """Each line says what, how many, where, and links to its runs; text from outside is text."""
    runs = fall(world, 2, HOSTILE)
    group(world)
    runs += fall(world, 1, HOSTILE)
    error = fingerprint_of(world)
    text = await world.get("/failed")
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert f'href="/failed?error={error}">3</a>' in text
    page = await world.get(f"/failed?error={error}")
    assert all(f"/r/{run}" in page for run in runs)
    (row,) = json.loads((await (await world.browser()).get("/failed?as=json")).content)
    assert (row["fingerprint"], row["standing"]["number"], row["failures"]) == (error, 3, 3)


@pytest.mark.asyncio
async def test_filters_stay_in_the_link(world):
    """State, automation and time; a bad one is reported by name."""
    fall(world)
    fall_of_backup(world)
    assert "AccessDenied" not in await world.get("/failed?state=needs_attention")
    page = await world.get("/failed?name=pay&since=24h")
    assert "AccessDenied" in page
    assert "<option selected>24h" in page
    assert "since" in printed_text(await world.get("/failed?since=3y", status=400))
    assert "no stopped run" in printed_text(await world.get("/failed?state=running", status=409))


@pytest.mark.asyncio
async def test_operation_is_counted_then_done_in_pieces(world):
    """The first press only counts; the second leads to the page of the act, which says what was asked, once."""
    runs = fall(world, 3)
    counted = await world.get("/failed?name=pay&ask=retry&rate=600/m&reason=mended")
    assert "3 runs of 1 automation: each is continued" in counted
    assert "mainspring failed retry --name pay --rate 600/m --background" in counted
    assert 'data-nouns=""' in counted
    assert 'data-nouns="runs incidents"' in await world.get("/failed?name=pay")
    assert list_bulk_operations(world.store.reader) == []
    path = "/failed?name=pay&ask=retry&rate=600/m"
    for _ in range(2):
        answer = await world.submit(path, "retry", page="p1", rate="600/m", reason="mended")
    (act,) = list_bulk_operations(world.store.reader)
    assert answer.request.url.path == f"/bulk/{act.id}"
    assert printed_text(answer.text) == "Started: retry. It runs in the background."
    assert (act.total, act.rate, act.reason, act.actor) == (3, "600/m", "mended", "web:ana")
    assert run_next_piece(world.store)
    assert {row.subject for row in world.site.reads.audit_rows() if row.verb == "retry"} == {
        f"bulk:{act.id}",
        *(f"run:{run}" for run in runs),
    }


def change(world, text):
    """Change what stands in the store, as if it had been so long ago."""
    with closing(apsw.Connection(str(world.store.path))) as connection:
        connection.execute(text)


def listed_runs(world, text):
    """The runs that a page of one error lists."""
    return set(re.findall(r'href="/r/([^"]+)"', text.partition("<h2>Stopped runs of this error</h2>")[2]))


@pytest.mark.asyncio
@pytest.mark.parametrize("is_grouped", [True, False])
async def test_rows_of_the_page_are_the_runs_of_the_operation(world, is_grouped):
    """In each filter: a run that was created long ago and failed within the hour is in both, one that failed long ago is in neither."""
    (old,) = fall(world)
    if is_grouped:
        group(world)
    claimed_run = claimed(world)
    change(world, f"update failures set at = at - {2 * HOUR}")
    change(world, f"update runs set created_at = created_at - {2 * HOUR}")
    world.store.apply(finish(claimed_run, RunState.FAILED, failure=DENIED))
    fall_of_backup(world, 2)
    if is_grouped:
        group(world)
    error = re.search(r"error=(\w+)", await world.get("/failed?name=pay"))[1]
    for query, runs, counted in (
        (f"error={error}", {old, claimed_run.id}, "2 runs of 1 automation"),
        (f"error={error}&since=1h", {claimed_run.id}, "1 run of 1 automation"),
        ("since=1h", None, "3 runs of 2 automations"),
        ("", None, "4 runs of 2 automations"),
        ("state=needs_attention&since=1h", None, "2 runs of 1 automation"),
    ):
        text = await world.get(f"/failed?{query}&ask=retry")
        assert f"{counted}: each is continued" in text, query
        if runs is not None:
            assert listed_runs(world, text) == runs, query
            assert f">{len(runs)}</a></td>" in text, query
    await world.submit(f"/failed?error={error}&since=1h", "retry", rate="")
    (act,) = list_bulk_operations(world.store.reader)
    assert [part.id for part in bulk_parts(world.store.reader, act)] == [claimed_run.id]
    assert "--ended-since 1h" in await world.get("/failed?since=1h&ask=retry")


@pytest.mark.asyncio
async def test_failed_child_is_neither_listed_nor_changed(world):
    """Its failure is its parent's to tell, and to continue from."""
    (run,) = fall(world)
    change(world, "delete from failures")
    assert run in await world.get("/runs?state=failed")
    assert "No run matches" in await world.get("/failed?ask=retry&name=pay")


@pytest.mark.asyncio
async def test_invalid_filter_is_reported_in_place(world):
    """A rate that is none, nothing that fits; nothing happens."""
    fall(world)
    assert "is not a rate" in await world.get("/failed?name=pay&ask=retry&rate=often")
    slow = await world.get("/failed?ask=retry&rate=1/40000d")
    assert ("more than a hundred years. Choose a higher rate." in slow, 'name="act" value="retry"' in slow) == (
        True,
        False,
    )
    assert "No run matches" in await world.get("/failed?error=ffff&ask=discard")
    answer = await world.submit("/failed?name=pay", "retry", rate="often")
    assert (answer.status_code, "is not a rate" in printed_text(answer.text)) == (409, True)
    assert (await world.submit("/failed?name=nope", "retry")).status_code == 409
    assert list_bulk_operations(world.store.reader) == []


@pytest.mark.asyncio
async def test_settled_errors_hide_no_open_one(world, monkeypatch):
    """Where only so many are looked at and none of them stands, no one learns that nothing failed: there is a way on, and the act."""
    monkeypatch.setattr(failed_runs, "_MAX_ERRORS", 1)
    fall_of_backup(world)
    group(world)
    (run,) = fall(world, failure=HOSTILE)
    group(world)
    retry(world.store, run, act=world.auth.act())
    text = await world.get("/failed")
    assert "Nothing failed" not in text
    assert "count them first" in text
    onward = re.search(r'href="(/failed\?cursor=[^"]+)">Search further back', text)[1]
    assert "backup" in await world.get(onward)
    assert "Nothing failed" not in await world.get("/failed", cursor="1.none")


@pytest.mark.asyncio
async def test_viewer_reads_and_changes_nothing(world):
    """No button, and no count either."""
    fall(world)
    assert await world.visible_to("AccessDenied", "/failed?ask=retry") == [True, True]
    assert await world.visible_to("each is continued", "/failed?ask=retry") == [True, False]
    assert await world.visible_to("count them first", "/failed") == [True, False]


@pytest.mark.asyncio
async def test_visitor_of_some_automations_sees_and_retries_its_own(world):
    """Names, counts and acts are of what it sees."""
    fall(world, 2)
    fall_of_backup(world, 3)
    text = await world.get("/failed?ask=retry", who="payer")
    assert "2 runs of 1 automation" in text
    assert "backup" not in text
    assert "AccessDenied" not in await world.get("/failed?name=backup", who="payer")
    await world.submit("/failed?ask=retry", "retry", who="payer", rate="")
    (act,) = list_bulk_operations(world.store.reader)
    assert (act.automations, act.total) == (("pay",), 2)

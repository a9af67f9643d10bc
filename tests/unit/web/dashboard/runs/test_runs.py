"""`/runs`: what is listed, by which filters, to whom."""

import csv
import html
import io
import json
import re

import pytest

from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.states import RunState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.read.bulk_operations import bulk_parts, list_bulk_operations
from tests.api_world import BACKUP
from tests.contract.store.process import outcome
from tests.unit.web.dashboard.automation_world import define
from tests.unit.web.dashboard.page_world import printed_text
from tests.unit.web.dashboard.run_world import HOSTILE, ORDER, claimed, failed


def listed(text):
    """Return the runs of a page's table, in order."""
    return re.findall(r'<td data-name="Run"><a class="once" href="/r/([^"]+)">', text)


@pytest.mark.asyncio
async def test_empty_list_teaches_the_next_command(world):
    """A filter that nothing fits says so, and leads back."""
    assert "mainspring run NAME" in await world.get("/runs")
    text = await world.get("/runs", state="failed", queue="mail")
    assert "No run matches." in text
    assert "mainspring runs list --state failed --queue mail" in text


@pytest.mark.asyncio
async def test_runs_are_listed_by_each_filter(world):
    """Newest first, with the filter in the link; a state is put in and out by one press."""
    bad, other, queued = failed(world), claimed(world, BACKUP, b"{}").id, world.begin()
    assert listed(await world.get("/runs")) == [queued, other, bad]
    text = await world.get("/runs", state="failed", since="1h")
    assert listed(text) == [bad]
    assert "permanent error" in text
    assert 'href="/runs?since=1h"' in text
    assert 'href="/runs?since=1h&amp;state=queued&amp;state=failed"' in text
    assert listed(await world.get("/runs", name="backup")) == [other]
    assert listed(await world.get("/runs", queue="none")) == []
    assert listed(await world.get("/runs", since="2999-01-01T00:00:00Z")) == []
    assert listed(await world.get("/runs", until="2020-01-01")) == []
    assert len(listed(await world.get("/runs", until="2999-01-01"))) == len(listed(await world.get("/runs")))
    assert listed(await world.get("/runs", since="2020-01-01", state=["failed", "running"])) == [other, bad]


@pytest.mark.asyncio
async def test_runs_that_a_retry_healed_are_the_rows_of_their_number(world):
    """The number on the page of the automation leads to them; an act on all has no such filter, and is neither offered nor done."""
    define(world, "pay-order", kind=DefinitionKind.WORKFLOW)
    healed, at_once = claimed(world, ORDER, b"{}"), claimed(world, ORDER, b"{}")
    world.store.apply(outcome(healed, 1, "charge", attempt=2))
    world.store.apply(outcome(at_once, 1, "charge"))
    link = re.search(r'href="([^"]+)"><b>1</b><span>steps fixed by a retry', await world.get("/a/pay-order"))
    where = html.unescape(link[1])
    text = await world.get(where)
    assert listed(text) == [healed.id]
    assert "mainspring runs list --name pay-order --since 30d --healed" in text
    assert len(listed(await world.get("/runs"))) == 2
    offered = "All that have not ended"
    assert (offered in text, offered in await world.get("/runs?name=pay-order")) == (False, True)
    answer = await world.submit(where, "cancel", reason="all", rate="")
    assert "an operation on all runs cannot select them by version" in printed_text(answer.text)
    assert list_bulk_operations(world.store.reader) == []


@pytest.mark.asyncio
async def test_runs_are_listed_by_tag(world):
    """The command for the same list is offered; an operation on all has no such filter."""
    options = StartOptions(tags={"customer": "acme"})
    act = operation_context(Actor.cli("ann", "box"), world.clock)
    tagged = start(world.store, world.clock, BACKUP, b"{}", act=act, options=options).run
    world.begin(BACKUP, b"{}")
    text = await world.get("/runs", tag="customer=acme")
    assert listed(text) == [tagged]
    assert "mainspring runs list --tag customer=acme" in text
    assert "All that have not ended" not in text


@pytest.mark.asyncio
async def test_list_continues_where_it_ended(world):
    """By key, with the filter."""
    ids = [world.begin() for _ in range(5)]
    text = await world.get("/runs", limit=3, state="queued")
    onward = re.search(r'<a href="(/runs\?[^"]+cursor=[^"]+)">Older', text)[1].replace("&amp;", "&")
    assert [*listed(text), *listed(await world.get(onward))] == ids[::-1]


@pytest.mark.asyncio
async def test_bad_filter_is_reported_at_its_place(world):
    """The others stay as they were."""
    text = await world.get("/runs", until=HOSTILE, status=400)
    assert re.search(r'id="wrong-until" role="alert">.*Write a span such as 2h', text)
    text = await world.get("/runs", since=HOSTILE, name="pay", status=400)
    assert re.search(r'id="wrong-since" role="alert">.*Write a span such as 2h', text)
    assert 'name="name" maxlength="1000" value="pay"' in text
    assert HOSTILE not in text
    assert "state" in await world.get("/runs", state="lost", status=400)


@pytest.mark.asyncio
async def test_visitor_of_some_automations_sees_no_others(world):
    """Neither their runs nor their names, on the page and in its exports."""
    own, other = world.begin(), world.begin(BACKUP, b"{}")
    text = await world.get("/runs", who="payer")
    assert listed(text) == [own]
    assert "backup" not in text
    browser = await world.browser("payer")
    for kind in ("csv", "json"):
        answer = (await browser.get(f"/runs?as={kind}")).text
        assert own in answer
        assert other not in answer
    assert listed(await world.get("/runs", who="payer", name="backup")) == []


@pytest.mark.asyncio
async def test_rows_leave_in_the_present_filter(world):
    """As the API tells them."""
    bad = failed(world)
    world.begin()
    browser = await world.browser()
    rows = json.loads((await browser.get("/runs?state=failed&as=json")).content)
    assert [(row["id"], row["state"]) for row in rows] == [(bad, RunState.FAILED)]
    found = list(csv.DictReader(io.StringIO((await browser.get("/runs?as=csv")).text)))
    assert len(found) == 2
    assert found[1]["reason"] == "permanent_error"
    head, whole = [await browser.ask(method, "/runs?as=csv") for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-disposition"):
        assert head.headers[name] == whole.headers[name]
    assert "content-length" not in head.headers


@pytest.mark.asyncio
async def test_all_that_match_are_counted_then_cancelled(world):
    """The rows of the list that have not ended are the runs of the act, in its filter; it is asked for once and continues by itself."""
    failed(world)
    going = [world.begin(), claimed(world).id]
    world.begin(BACKUP, b"{}")
    path = "/runs?name=pay&since=1h&ask=cancel&rate=600/m&reason=%3Cb%3E"
    text = await world.get(path)
    assert "2 runs of 1 automation: each is cancelled" in text
    assert "mainspring runs cancel --name pay --since 1h --rate 600/m --background" in text
    assert 'value="&lt;b&gt;" required' in text
    assert 'data-nouns=""' in text
    assert list_bulk_operations(world.store.reader) == []
    for _ in range(2):
        answer = await world.submit(path, "cancel", page="p1", rate="600/m", reason="enough")
    (act,) = list_bulk_operations(world.store.reader)
    assert answer.request.url.path == f"/bulk/{act.id}"
    assert printed_text(answer.text) == "Started: cancel. It runs in the background."
    assert [part.id for part in bulk_parts(world.store.reader, act)] == sorted(going)
    assert "so there is nothing to do" in await world.get("/runs?until=2020-01-01&ask=cancel")
    names = listed(await world.get("/runs?name=pay&since=1h&state=queued&state=running"))
    assert sorted(names) == sorted(going)


@pytest.mark.asyncio
async def test_cancelling_is_offered_where_it_can_be_done(world):
    """Of what has ended nothing can be cancelled; who only looks is offered nothing; what is wrong is reported in its place."""
    bad = failed(world)
    assert "count them first" not in await world.get("/runs?state=failed")
    assert bad in await world.get("/runs?state=failed&ask=cancel")
    assert "No run matches" in await world.get("/runs?ask=cancel")
    world.begin()
    assert await world.visible_to("count them first", "/runs") == [True, False]
    assert await world.visible_to("1 run of 1 automation", "/runs?ask=cancel") == [True, False]
    assert "is not a rate" in await world.get("/runs?ask=cancel&rate=often")
    answer = await world.submit("/runs", "cancel", rate="often", reason="x")
    assert (answer.status_code, "is not a rate" in printed_text(answer.text)) == (409, True)
    assert (await world.submit("/runs?state=failed", "cancel", rate="", reason="x")).status_code == 409
    assert list_bulk_operations(world.store.reader) == []


@pytest.mark.asyncio
async def test_visitor_of_some_automations_cancels_its_own(world):
    """Neither others' runs nor their number."""
    own = world.begin()
    world.begin(BACKUP, b"{}")
    text = await world.get("/runs?ask=cancel", who="payer")
    assert "1 run of 1 automation" in text
    assert "backup" not in text
    await world.submit("/runs?ask=cancel", "cancel", who="payer", rate="", reason="x")
    (act,) = list_bulk_operations(world.store.reader)
    assert [part.id for part in bulk_parts(world.store.reader, act)] == [own]

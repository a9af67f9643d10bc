"""`/runs`: what is listed, by which filters, to whom."""

import csv
import io
import json
import re

import pytest

from mainspring.domain.states import RunState
from tests.api_world import BACKUP
from tests.unit.web.dashboard.run_world import HOSTILE, claimed, failed


def listed(text):
    """Return the runs of a page's table, in order."""
    return re.findall(r'<td data-name="Run"><a class="once" href="/r/([^"]+)">', text)


@pytest.mark.asyncio
async def test_empty_list_teaches_the_next_command(world):
    """A filter that nothing fits says so, and leads back."""
    assert "mainspring run NAME" in await world.get("/runs")
    text = await world.get("/runs", state="failed", queue="mail")
    assert "No run fits." in text
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
    assert listed(await world.get("/runs", since="2020-01-01", state=["failed", "running"])) == [other, bad]


@pytest.mark.asyncio
async def test_list_goes_on_where_it_ended(world):
    """By key, with the filter."""
    ids = [world.begin() for _ in range(5)]
    text = await world.get("/runs", limit=3, state="queued")
    onward = re.search(r'<a href="(/runs\?[^"]+cursor=[^"]+)">Older', text)[1].replace("&amp;", "&")
    assert [*listed(text), *listed(await world.get(onward))] == ids[::-1]


@pytest.mark.asyncio
async def test_bad_filter_is_told_at_its_place(world):
    """The others stay as they were."""
    text = await world.get("/runs", since=HOSTILE, name="pay", status=400)
    assert re.search(r'id="wrong-since" role="alert">.*Write a span such as 2h', text)
    assert 'name="name" maxlength="1000" value="pay"' in text
    assert HOSTILE not in text
    assert "state" in await world.get("/runs", state="lost", status=400)


@pytest.mark.asyncio
async def test_visitor_of_some_automations_sees_no_others(world):
    """Neither their runs nor their names, on the page and in its exports."""
    mine, other = world.begin(), world.begin(BACKUP, b"{}")
    text = await world.get("/runs", who="payer")
    assert listed(text) == [mine]
    assert "backup" not in text
    browser = await world.browser("payer")
    for kind in ("csv", "json"):
        answer = (await browser.get(f"/runs?as={kind}")).text
        assert mine in answer
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

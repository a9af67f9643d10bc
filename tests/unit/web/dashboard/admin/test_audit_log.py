"""`/audit-log`: what is listed, by which filters, how it leaves."""

import json
import re
from urllib.parse import urlencode

import pytest

from tests.unit.web.dashboard.run_world import HOSTILE, failed


def operation_rows(text):
    """Return verb and subject of the acts of a page's table, in order."""
    found = re.findall(r'<td data-name="Operation"><a [^>]+>([^<]+)</a> <a [^>]+><code>([^<]+)</code>', text)
    return [f"{verb} {subject}" for verb, subject in found]


@pytest.mark.asyncio
async def test_log_is_filtered_by_what_its_rows_state(world):
    """By whom, by which way, what, with what, when; each cell leads to those like it, and the command line lists the same."""
    run = failed(world)
    await world.submit(f"/r/{run}", "retry", who="olga", offer="retry", reason="again")
    text = await world.get("/audit-log?who=olga&act=retry")
    assert operation_rows(text) == [f"retry run:{run}"]
    assert "mainspring audit-log list --who olga --act retry" in text
    for link in re.findall(r'<td data-name="(?:Actor|Operation)">.*?href="([^"]+)"', text):
        assert operation_rows(await world.get(link.replace("&amp;", "&"))) == [f"retry run:{run}"]
    assert operation_rows(await world.get("/audit-log", subject=run)) == [f"retry run:{run}"]
    assert operation_rows(await world.get("/audit-log", automation="pay")) == [
        f"retry run:{run}",
        "start automation:pay",
    ]
    assert operation_rows(await world.get("/audit-log", way="cli")) == ["start automation:pay"]
    assert operation_rows(await world.get("/audit-log", act="retry", since="1h")) == [f"retry run:{run}"]
    assert operation_rows(await world.get("/audit-log", act="retry", until="1h")) == []
    rows = json.loads(await world.get("/audit-log", act="retry", **{"as": "json"}))
    assert [(row["verb"], row["actor"]) for row in rows] == [("retry", "web:olga")]


@pytest.mark.asyncio
async def test_filter_that_nothing_fits_leads_back(world):
    """It stands in its fields, as text."""
    text = await world.get(f"/audit-log?{urlencode({'who': HOSTILE, 'way': 'link'})}")
    assert "No operation matches." in text
    assert HOSTILE not in text
    assert "<option selected>link" in text
    assert "No operation matches." not in await world.get("/audit-log")


@pytest.mark.asyncio
async def test_bad_time_is_reported_at_its_place(world):
    """The other filters stay as they were; a way that there is not is refused."""
    text = await world.get("/audit-log?until=soon&who=ana", status=400)
    assert re.search(r'id="wrong-until" role="alert">.*Write a span such as 2h', text)
    assert 'value="ana"' in text
    await world.get("/audit-log", way="door", status=400)


@pytest.mark.asyncio
async def test_log_is_of_no_automation(world):
    """Who sees some only does not find it, in no filter."""
    browser = await world.browser("payer")
    for query in ("", "?automation=pay", "?automation=pay&as=csv"):
        assert (await browser.get(f"/audit-log{query}")).status_code == 404


@pytest.mark.asyncio
async def test_viewers_find_no_way_to_the_audit_log(world):
    """Neither the page nor a link to it: not in the bar, at a run, at an automation, in the handover."""
    run = failed(world)
    await world.get("/audit-log", who="vic", status=403)
    for path in ("/", f"/r/{run}", "/a/pay", "/handover"):
        assert "/audit-log" not in await world.get(path, who="vic"), path
        assert await world.visible_to('/audit-log"', "/", "ana", "olga", "vic") == [True, True, False]

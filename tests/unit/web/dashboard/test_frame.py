"""What all pages have alike: bad queries are told, lists can be had as CSV and JSON, what was done is told above the page."""

import json

import pytest

from mainspring.store.commands.automations import TakeLock
from tests.unit.web.dashboard.page_world import said


@pytest.mark.asyncio
async def test_query_that_cannot_be_used_is_told(world):
    """By name; nothing is guessed."""
    assert "unknown field `colour`" in said(await world.get("/audit-log?colour=red", status=400))
    assert "limit" in await world.get("/audit-log?limit=0", status=400)
    assert "csv and json" in said(await world.get("/locks?as=xml", status=400))


@pytest.mark.asyncio
async def test_rows_leave_as_csv_and_json(world):
    """A cell that a spreadsheet would take for a formula is text."""
    world.begin()
    browser = await world.browser()
    answer = await browser.get("/audit-log?as=json")
    rows = json.loads(answer.content)
    assert [row["verb"] for row in rows if row["actor"] == "cli:ann@box"] == ["start"]
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.json"'
    lines = (await browser.get("/audit-log?as=csv")).text.splitlines()
    assert lines[0].startswith("seq,at,command,actor,verb,subject")
    assert len(lines) == len(rows) + 1


@pytest.mark.asyncio
async def test_what_was_done_is_told_above_the_page(world):
    """To whoever did it; pressed twice on one page it is done once, and what cannot be done is told in place."""
    world.store.apply(TakeLock("night <b>", "backup", None))
    text = await world.get("/locks")
    assert "night &lt;b&gt;" in text
    first = await world.press("/locks", "break", lock="night <b>", reason="it hangs", page="p1")
    assert said(first.text) == "Done: break lock night &lt;b&gt;."
    assert "Nobody holds a lock" in first.text
    again = await world.press("/locks", "break", lock="night <b>", reason="it hangs", page="p1")
    assert said(again.text) == said(first.text)
    assert [one for one in world.ways.acts() if one[0] == "break"] == [("break", "lock:night <b>", "web:ana")]
    other = await world.press("/locks", "break", lock="night <b>", reason="it hangs", page="p2")
    assert other.status_code == 404
    assert said(await world.get(str(first.request.url.raw_path, "ascii"), who="vic")) == ""

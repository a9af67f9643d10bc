"""Queues: limits, load, pauses; each button acts once and is reported."""

import json

import pytest

from mainspring.store.commands.automations import PauseQueue, SetQueue
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.sessions import DrainSession
from tests.unit.web.dashboard.page_world import printed_text


@pytest.mark.asyncio
async def test_page_teaches_the_first_command(world):
    """As long as there is no queue."""
    assert "mainspring run NAME" in await world.get("/queues")


@pytest.mark.asyncio
async def test_page_displays_limits_and_load(world):
    """Each number leads to its runs; a queue that no one takes from is reported."""
    world.store.apply(SetQueue("<b>mail</b>", 4, 60, 60_000, 100))
    world.begin()
    text = await world.get("/queues")
    assert "<b>mail" not in text
    assert 'href="/runs?queue=%3Cb%3Email%3C%2Fb%3E" class="once">' in text
    assert "60/m" in text
    assert '<a href="/runs?state=queued&amp;queue=default">1</a>' in text
    world.store.apply(ClaimRuns("c1", 10))
    assert '<a href="/runs?state=running&amp;queue=default">1</a>' in await world.get("/queues")
    world.begin()
    world.store.apply(DrainSession(world.store.session))
    text = await world.get("/queues")
    assert '<span class="state bad"><span class="icon" aria-hidden="true">✗</span> none</span>' in text
    rows = json.loads(await world.get("/queues", **{"as": "json"}))
    assert [row["name"] for row in rows] == ["<b>mail</b>", "default"]


@pytest.mark.asyncio
async def test_queue_is_paused_and_resumed(world):
    """With who, when and why; pressed twice on one page it is done once."""
    world.begin()
    for _ in range(2):
        answer = await world.submit("/queues", "pause", who="olga", queue="default", reason="<i>too hot", page="p1")
        assert printed_text(answer.text) == "Done: pause queue default."
    assert "by web:olga: &lt;i&gt;too hot" in answer.text
    assert "mainspring queues resume default" in answer.text
    answer = await world.submit("/queues", "resume", queue="default", page="p2")
    assert "paused" not in answer.text.partition("<table")[2].partition('</td>\n<td data-name="Running"')[0]
    operations = [operation for operation in world.auth.operations() if "queue:" in operation[1]]
    assert operations == [("resume", "queue:default", "web:ana"), ("pause", "queue:default", "web:olga")]
    assert (await world.submit("/queues", "pause", queue="nothing")).status_code == 404


@pytest.mark.asyncio
async def test_page_is_only_for_those_who_are_for_all(world):
    """And a viewer gets no buttons."""
    world.begin()
    world.store.apply(PauseQueue("default", True, "ann"))
    await world.get("/queues", who="payer", status=404)
    assert await world.visible_to('value="resume"', "/queues") == [True, False]

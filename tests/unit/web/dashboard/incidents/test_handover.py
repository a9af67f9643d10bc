"""`/handover`: since a chosen time, by people, for who may see it."""

import json
import re

import pytest

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.insight.status.handover import MOST
from mainspring.service import incident
from tests.unit.web.dashboard.open_incident import HOSTILE, find_invalid
from tests.unit.web.dashboard.run_world import ask_question

pytestmark = pytest.mark.asyncio


async def test_quiet_shift_is_reported(world):
    """To a person who may see no acts of others."""
    assert "Nothing happened, and nothing waits." in await world.get("/handover", who="payer")


async def test_shift_is_reported_in_its_parts(world):
    """What opened, what closed and by whom, who is asked, what people did; with its command line."""
    find_invalid(world)
    find_invalid(world, "backup", "i_2", text="took long")
    incident.resolve(world.store, "i_2", act=world.auth.act())
    ask_question(world)
    text = await world.get("/handover", since="12h")
    for part in (
        "no success",
        "took long",
        "Charge it?",
        "web:ana",
        "mainspring status --since 12h",
        "2 opened, 1 closed, 1 not",
    ):
        assert part in text, part
    rows = json.loads((await (await world.browser()).get("/handover?as=json")).content)
    assert ("resolve", "incident:i_2") in [(row["verb"], row["subject"]) for row in rows]


async def test_each_table_leaves_by_its_name(world):
    """Of the handover, of an incident and of the first page; one that is not there is reported."""
    find_invalid(world)
    browser = await world.browser()
    links = re.findall(r'href="(/handover\?as=json[^"]*)"', await world.get("/handover"))
    assert len(links) > 1
    for path in links:
        assert (await browser.get(path.replace("&amp;", "&"))).status_code == 200
    answer = await browser.get("/handover?as=json&of=opened")
    assert [row["incident"]["text"] for row in json.loads(answer.content)] == ["no success"]
    assert answer.headers["content-disposition"] == 'attachment; filename="handover-opened.json"'
    moves = json.loads((await browser.get("/incidents/i_1?as=json&of=moves")).content)
    assert [move["move"] for move in moves] == ["open"]
    assert (await browser.get("/?as=csv&of=due")).status_code == 200
    for invalid in ("/handover?as=json&of=nothing", "/locks?as=csv&of=opened", "/handover?as=json&of=found_at"):
        assert (await browser.get(invalid)).status_code == 400, invalid


async def test_long_shift_is_bounded(world):
    """The newest of each are reported, how many more there are, and where; the page stays light."""
    for place in range(MOST + 5):
        find_invalid(world, f"x{place}", f"i_{place:02}", text=f"wrong {place}")
    text = await world.get("/handover")
    assert f"{MOST + 5} opened, 0 closed, {MOST + 5} not resolved" in text
    assert text.count("At least 5 more") == 2
    assert '<a href="/incidents">all open incidents</a>' in text
    link = re.search(r'href="(/incidents\?since=[^"]+)"', text)[1]
    assert "wrong 3" in await world.get(link)


@pytest.mark.parametrize("since", ["yesterday", "-8h", "99999999999999999d"])
async def test_bad_time_is_reported_at_its_field(world, since):
    """And what would be one."""
    text = await world.get("/handover", since=since, status=400)
    assert 'aria-invalid="true"' in text
    assert "Write a span" in text


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31T23:59", "2999-01-01T00:00"])
async def test_far_times_are_taken(world, since):
    """From the beginning, or from what is still to come."""
    assert "Handover" in await world.get("/handover", since=since)


async def test_others_are_omitted(world):
    """Who sees some automations hears of no other, nor of people."""
    find_invalid(world, "backup", "i_2", text="the disk is full")
    find_invalid(world, "", "i_3", IncidentKind.WORKER_LOST, text="no worker lives")
    incident.acknowledge(world.store, "i_2", act=world.auth.act())
    text = await world.get("/handover", who="payer")
    for word in ("backup", "disk", "worker lives", "olga", "person:"):
        assert word not in text, word


async def test_hostile_words_are_text(world):
    """Of incidents and reasons."""
    find_invalid(world, text=HOSTILE)
    await world.submit("/incidents/i_1", "acknowledge", reason=HOSTILE)
    assert "<script>alert" not in await world.get("/handover")

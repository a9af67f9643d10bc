"""`/flags`: flags on their pages; one gets another share, is killed with its runs, and is deleted by a press."""

import json

import pytest

from mainspring.domain.flags.flag import FlagQuestion, FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.store.commands.flags import AnswerFlag, ChangeFlag, RecordFlagUses
from mainspring.store.read.flags import find_flag
from tests.unit.web.dashboard.page_world import OWN, hidden, printed_text

HOSTILE = "<script>alert(1)</script>"
PATH = "/flags/new%2Fcart"


def make_flag(world, name="new/cart", **fields):
    world.store.apply(ChangeFlag(name, FlagChange(**{"share": 1_000_000, **fields})))


def hold(world, name="new/cart"):
    run = world.begin()
    world.store.apply(AnswerFlag(run, 0, FlagQuestion(name, "ann", "false")))
    return run


@pytest.mark.asyncio
async def test_no_flag_exists(world):
    """The page names the command that creates one."""
    assert "mainspring flags set NAME" in await world.get("/flags")


@pytest.mark.asyncio
async def test_flags_are_listed_and_displayed(world):
    """Text of others does no harm, and a viewer sees neither buttons nor the history."""
    make_flag(
        world, owner=HOSTILE, about=HOSTILE, allow=(HOSTILE,), attributes={HOSTILE: (HOSTILE,), "country": ("DE", "AT")}
    )
    run = hold(world)
    world.store.apply(RecordFlagUses(1, (FlagUse("new/cart", "pay", FlagSide.ON, FlagReason.SHARE, 1_200),)))
    text = await world.get("/flags")
    assert "on 1,200" in text
    assert HOSTILE not in text
    rows = json.loads(await world.get("/flags", **{"as": "json"}))
    assert [(row["name"], row["state"], row["rule"]) for row in rows] == [("new/cart", "on", "all keys")]
    text = await world.get(PATH)
    assert run in text
    assert "country=DE|AT" in text
    assert HOSTILE not in text
    rows = json.loads(await world.get(PATH, **{"as": "json"}))
    assert [(row["automation"], row["number"]) for row in rows] == [("pay", 1_200)]
    assert [row["run"] for row in json.loads(await world.get(PATH, **{"as": "json", "of": "runs"}))] == [run]
    await world.get(PATH, **{"as": "json", "of": "history"})
    await world.get(PATH, who="vic", status=404, **{"as": "json", "of": "history"})
    for path in ("/flags", PATH):
        assert await world.visible_to("Kill new/cart", path) == [True, False]
    assert await world.visible_to("<h2>History</h2>", PATH) == [True, False]
    assert await world.visible_to("Delete new/cart", PATH, "ana", "olga") == [True, False]
    await world.get("/flags/none", status=404)


@pytest.mark.asyncio
async def test_share_is_changed(world):
    """With or without the percent sign; what does not fit is reported, with what was typed."""
    make_flag(world)
    text = (await world.submit(PATH, "share", share="0.01", reason="slowly", page="p1")).text
    assert "share: 100 % -&gt; 0.01 %" in text
    assert "slowly" in text
    await world.submit(PATH, "share", share="25%", page="p2")
    assert find_flag(world.store.reader, "new/cart").rules.share == 250_000
    answer = await world.submit(PATH, "share", share="250", page="p3")
    assert answer.status_code == 409
    assert "250 % is not possible" in printed_text(answer.text)
    assert 'value="250"' in answer.text


@pytest.mark.asyncio
async def test_flag_is_killed_and_resumed(world):
    """From the list too; with the box, the press leads to the operation that cancels the runs."""
    make_flag(world)
    hold(world)
    text = (await world.submit("/flags", "kill", who="olga", flag="new/cart", reason="errors", page="p1")).text
    assert "killed" in text
    await world.submit(PATH, "resume", page="p2")
    assert find_flag(world.store.reader, "new/cart").killed_at is None
    browser = await world.browser()
    answer = await browser.submit(PATH, "kill", stop_runs="cancel", page="p3")
    assert answer.headers["location"].startswith("/bulk/")
    text = (await browser.get(answer.headers["location"].partition("?")[0])).text
    assert "Cancel runs that hold the side on of flag new/cart" in text
    assert "mainspring flags kill new/cart --stop-runs cancel" in text
    assert (await world.submit(PATH, "kill", stop_runs="burn", page="p4")).status_code == 409


@pytest.mark.asyncio
async def test_flag_is_deleted(world):
    """Only with the box while a run holds an answer; a late press creates no flag again."""
    make_flag(world)
    hold(world)
    answer = await world.submit(PATH, "delete", page="p1")
    assert answer.status_code == 409
    await world.submit(PATH, "delete", force="true", page="p2", onward="/flags")
    assert find_flag(world.store.reader, "new/cart") is None
    browser = await world.browser()
    form = hidden((await browser.get("/me")).text, "form")
    for act in ("share", "resume"):
        data = {"act": act, "share": "5", "form": form, "page": "p3"}
        assert (await browser.ask("POST", PATH, data=data, headers=OWN)).status_code == 404
    assert find_flag(world.store.reader, "new/cart") is None

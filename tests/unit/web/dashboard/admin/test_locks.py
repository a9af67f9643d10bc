"""`/locks`: what is held, by which run; one is taken away by a press, once, with a reason."""

import json

import pytest

from mainspring.store.commands.automations import AcquireLock
from tests.unit.web.dashboard.page_world import printed_text

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.asyncio
async def test_no_lock_is_held(world):
    """How one is taken is said."""
    assert "mainspring exec --lock NAME" in await world.get("/locks")


@pytest.mark.asyncio
async def test_holder_that_is_a_step_leads_to_its_run(world):
    """Who holds one otherwise is named; what they are called does no harm."""
    run = world.begin()
    world.store.apply(AcquireLock("printer", f"{run}/print#1 (attempt 2)"))
    world.store.apply(AcquireLock(HOSTILE, HOSTILE, HOSTILE))
    text = await world.get("/locks")
    assert f'<a href="/r/{run}">{run}/print#1 (attempt 2)</a>' in text
    assert text.count('<a href="/r/') == 1
    assert HOSTILE not in text
    rows = json.loads(await world.get("/locks", **{"as": "json"}))
    assert {row["name"] for row in rows} == {"printer", HOSTILE}


@pytest.mark.asyncio
async def test_waiters_are_listed_after_the_holders(world):
    """With their place; the button breaks one slot, and the first of them has it."""
    for owner in ("ann", "bob", "carl"):
        world.store.apply(AcquireLock("crm", owner, None, 2, 60_000))
    text = await world.get("/locks")
    assert text.index("slot 2 of 2") < text.index("waits, place 1, until ")
    assert text.count('value="break"') == 2
    answer = await world.submit("/locks", "break", lock="crm", slot="2", reason="stuck", page="p1")
    assert "waits, place" not in answer.text
    assert "bob" not in answer.text


@pytest.mark.asyncio
async def test_lock_is_taken_away_once_and_reported(world):
    """By anyone who may; it stands in the audit log with its reason, and the other one is still held."""
    for name in ("printer", "scanner"):
        world.store.apply(AcquireLock(name, "ann@box"))
    for _ in range(2):
        answer = await world.submit("/locks", "break", lock="printer", reason="it is stuck", page="p1")
    assert printed_text(answer.text) == "Done: break lock printer."
    assert "scanner" in answer.text
    assert "Take printer away" not in answer.text
    assert "it is stuck" in await world.get("/audit-log", act="break")
    assert await world.visible_to("Break scanner", "/locks") == [True, False]
    answer = await world.submit("/locks", "break", lock="nothing", reason="x")
    assert answer.status_code == 404

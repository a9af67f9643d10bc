"""A restored store, by the API: its runs are decided on, then it continues."""

import msgspec
import pytest

from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, MakeSlot, ScheduleRow, SetMeta
from mainspring.store.restore_hold import HOLD_KEY, LOST_CHANGES, LOST_FROM, RESTORED_AT


@pytest.fixture
def runs(world):
    """Three runs that were unfinished when the store was restored."""
    found = [world.begin() for _ in range(3)]
    world.store.apply(SetMeta(RESTORED_AT, str(world.clock.now())))
    world.store.apply(SetMeta(HOLD_KEY, "1"))
    return found


@pytest.mark.asyncio
async def test_each_run_is_decided_and_the_store_continues(world, runs):
    """Not before; a dry run counts; only an admin lets it continue."""
    assert {delivery["id"] for delivery in (await world.get("/restore/runs"))["items"]} == set(runs)
    assert (await world.ask("POST", "/restore/release", json={})).status_code == 409
    answer = await world.post("/restore/decide", decision="done", runs=runs[:1], reason="it was paid")
    assert (answer["count"], answer["done"]) == (1, 1)
    answer = await world.post("/restore/decide", decision="cancel", all=True, dry_run=True)
    assert (answer["count"], answer["done"]) == (2, 0)
    await world.post("/restore/decide", decision="continue", automation="pay", state="queued")
    assert (await world.get("/restore/runs"))["items"] == []
    assert (await world.ask("POST", "/restore/release", who="olga", json={})).status_code == 403
    await world.post("/restore/release")
    assert (await world.ask("POST", "/restore/decide", json={"decision": "done", "runs": runs})).status_code == 409


@pytest.mark.asyncio
async def test_runs_must_be_named(world, runs):
    """All of them too; and not in two ways."""
    for body in ({}, {"runs": runs, "all": True}):
        answer = await world.ask("POST", "/restore/decide", json={"decision": "cancel", **body})
        assert answer.status_code == 422
    assert len((await world.get("/restore/runs"))["items"]) == 3


@pytest.mark.asyncio
async def test_held_runs_are_listed(world, runs):
    """Due times without a run, and what persons changed in the store that was replaced."""
    world.store.apply(SetMeta(LOST_FROM, "0"))
    change = {"at": 5, "actor": "cli:ann@box", "verb": "pause", "subject": "automation:pay"}
    world.store.apply(SetMeta(LOST_CHANGES, msgspec.json.encode([change]).decode()))
    row = ScheduleRow("nightly", "pay", b'{"cron":"0 3 * * *"}', 1)
    world.store.apply(
        AnnounceDefinitions("code", (AutomationRow("pay", "task", 1, "f", b'{"kind":"task","name":"pay"}'),), (row,))
    )
    world.store.apply(MakeSlot("nightly", 1, 2, SlotVerdict.LOST.value))
    found = await world.get("/restore/lost")
    (slot,) = found["slots"]
    assert slot == {"schedule": "nightly", "automation": "pay", "slot_at": "1970-01-01T00:00:00.001Z"}
    assert [change["verb"] for change in found["changes"]] == ["pause"]


@pytest.mark.asyncio
async def test_store_that_is_not_held_has_nothing_to_decide(world):
    """Its unfinished runs are its own."""
    world.begin()
    assert (await world.get("/restore/runs"))["items"] == []

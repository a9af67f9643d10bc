"""A restored store, by the API: its runs are decided on, then it goes on."""

import pytest

from mainspring.store.commands.automations import SetMeta
from mainspring.store.held import HELD, RESTORED_AT


@pytest.fixture
def runs(world):
    """Three runs that were unfinished when the store was restored."""
    found = [world.begin() for _ in range(3)]
    world.store.apply(SetMeta(RESTORED_AT, str(world.clock.now())))
    world.store.apply(SetMeta(HELD, "1"))
    return found


@pytest.mark.asyncio
async def test_each_run_is_decided_and_the_store_goes_on(world, runs):
    """Not before; a dry run counts; only an admin lets it go on."""
    assert {one["id"] for one in (await world.get("/undecided"))["items"]} == set(runs)
    assert (await world.ask("POST", "/undecided/release", json={})).status_code == 409
    answer = await world.post("/undecided/decide", decision="done", runs=runs[:1], reason="it was paid")
    assert (answer["count"], answer["done"]) == (1, 1)
    answer = await world.post("/undecided/decide", decision="cancel", all=True, dry_run=True)
    assert (answer["count"], answer["done"]) == (2, 0)
    await world.post("/undecided/decide", decision="continue", automation="pay", state="queued")
    assert (await world.get("/undecided"))["items"] == []
    assert (await world.ask("POST", "/undecided/release", who="olga", json={})).status_code == 403
    await world.post("/undecided/release")
    assert (await world.ask("POST", "/undecided/decide", json={"decision": "done", "runs": runs})).status_code == 409


@pytest.mark.asyncio
async def test_which_runs_has_to_be_said(world, runs):
    """All of them too; and not in two ways."""
    for said in ({}, {"runs": runs, "all": True}):
        answer = await world.ask("POST", "/undecided/decide", json={"decision": "cancel", **said})
        assert answer.status_code == 422
    assert len((await world.get("/undecided"))["items"]) == 3


@pytest.mark.asyncio
async def test_store_that_is_not_held_has_nothing_to_decide(world):
    """Its unfinished runs are its own."""
    world.begin()
    assert (await world.get("/undecided"))["items"] == []

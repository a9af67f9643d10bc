"""`/effects`: what the ledger has, by state; a doubt is decided by a press, once, with a reason."""

import json

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from tests.unit.web.dashboard.page_world import printed_text

HOSTILE = "<script>alert(1)</script>/?&"


def begin_effect(world, key, outcome=CallOutcome.UNKNOWN, *, run=None):
    """Ask for an effect and settle it; with a run it is one of its step."""
    step = () if run is None else ("pay", run, "charge", "key", 1)
    owner = "bill.py of ann@box" if run is None else f"{run}/charge"
    call = EffectCall(key, EffectHolder(owner, f"call {key}", *step), "hash", b"[]")
    world.store.apply(BeginEffect(call, f"e_{key}"))
    if outcome is not None:
        world.store.apply(SettleEffect(key, f"e_{key}", 1, outcome, note=f"note of {key}"))


@pytest.mark.asyncio
async def test_empty_ledger_explains_how_one_is_recorded(world):
    """In Python and in a shell."""
    assert "mainspring once KEY" in await world.get("/effects")


@pytest.mark.asyncio
async def test_effects_are_listed_by_state(world):
    """The holder that is a step leads to its run; what a key contains does no harm."""
    run = world.begin()
    begin_effect(world, HOSTILE, run=run)
    begin_effect(world, "invoice:1", CallOutcome.DONE)
    begin_effect(world, "ticket", None)
    text = await world.get("/effects")
    assert HOSTILE not in text
    assert f'<a href="/r/{run}">{run}/charge</a>' in text
    rows = json.loads(await world.get("/effects", **{"as": "json"}))
    assert {row["key"] for row in rows} == {HOSTILE, "invoice:1", "ticket"}
    text = await world.get("/effects", state="done")
    assert "invoice:1" in text
    assert "ticket" not in text
    assert "No effect matches" in await world.get("/effects", prefix="x")


@pytest.mark.asyncio
async def test_doubt_is_decided_once(world):
    """By anyone who may, with a reason in the audit log; what is done is no longer to be confirmed."""
    begin_effect(world, "invoice:1")
    begin_effect(world, "invoice:2")
    assert await world.visible_to("Confirm invoice:1", "/effects") == [True, False]
    for _ in range(2):
        answer = await world.submit(
            "/effects", "confirm", effect="invoice:1", result='{"id": 7}', reason="it is there", page="p1"
        )
    assert printed_text(answer.text) == "Done: confirm effect invoice:1."
    assert "Confirm invoice:1" not in answer.text
    answer = await world.submit("/effects", "forget", effect="invoice:2", reason="not sent", page="p2")
    assert printed_text(answer.text) == "Done: forget effect invoice:2."
    assert "Forget invoice:2" not in answer.text
    assert "it is there" in await world.get("/audit-log", act="confirm")
    answer = await world.submit("/effects", "confirm", effect="invoice:1", result="{", reason="x")
    assert "the result is not JSON" in answer.text
    answer = await world.submit("/effects", "forget", effect="nothing", reason="x")
    assert answer.status_code == 404


@pytest.mark.asyncio
async def test_run_lists_the_effects_of_its_steps(world):
    """With a link for those who may see all effects."""
    run = world.begin()
    begin_effect(world, "invoice/1", run=run)
    assert '<a href="/effects?prefix=invoice%2F1">' in await world.get(f"/r/{run}")
    text = await world.get(f"/r/{run}", who="payer")
    assert "note of invoice/1" in text
    assert "/effects?prefix" not in text
    rows = json.loads(await world.get(f"/r/{run}", **{"as": "json", "of": "effects"}))
    assert [(row["key"], row["outcome"]) for row in rows] == [("invoice/1", "unknown")]
    assert "<h2>Effects</h2>" not in await world.get(f"/r/{world.begin()}")

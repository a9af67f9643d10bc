"""A run explained to programs: the sentences that the command line tells, and what can be done as acts of the API."""

from urllib.parse import quote

import pytest
from msgspec.structs import replace

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.step_identity import escape_step_name
from mainspring.domain.states import AttemptState, FailureReason, RunState
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.journal import SaveAttempt
from tests.api_world import BACKUP
from tests.contract.store.process import BOOM, fail, halt, outcome


@pytest.mark.asyncio
async def test_failed_run_is_explained_with_operations_that_can_be_sent(world):
    """What can be done is reported as a command line and as an act; sent as it is shown it is done."""
    run = world.begin()
    (claimed,) = world.claim()
    world.store.apply(outcome(claimed, 1, "charge it"))
    world.store.apply(fail(claimed, "charge it", rank=1))
    explanation = await world.get(f"/runs/{run}/explanation")
    assert explanation["what"][0].startswith("It failed at step charge it")
    assert explanation["why"] == ["The error is permanent, so Mainspring does not retry."]
    assert explanation["next"] == ["Nothing more happens by itself."]
    assert [(operation["act"], operation["body"]) for operation in explanation["can"]] == [
        ("retry", {}),
        ("retry", {"from_step": "charge it"}),
        ("discard", {}),
    ]
    assert explanation["can"][1]["command"] == f"mainspring runs retry {run} --from-step 'charge it'"
    assert len(explanation["fingerprint"]) > 5
    second = explanation["can"][1]
    await world.post(f"/runs/{run}/{second['act']}", **second["body"])
    assert (await world.get(f"/runs/{run}"))["state"] == RunState.QUEUED
    assert (await world.get(f"/runs/{run}/journal"))["items"][0]["superseded"] == 1


@pytest.mark.asyncio
async def test_permanent_error_that_was_retried_is_explained_by_its_policy(world):
    """A stated `retry=` applies to permanent errors too, so the explanation does not deny the attempts."""
    run = world.begin()
    (claimed,) = world.claim()
    attempt = SaveAttempt(
        *(run, claimed.claim, "charge it", "charge it", 0, 1, AttemptState.FAILED, 1, 1, claimed.automation),
        ended_at=2,
        next_at=3,
        failure=replace(BOOM, kind=FailureKind.PERMANENT),
    )
    world.store.apply(attempt)
    world.store.apply(fail(claimed, "charge it", rank=1))
    explanation = await world.get(f"/runs/{run}/explanation")
    assert explanation["why"] == [
        "The error is permanent. retry= of the step applies to it too, and every attempt was used."
    ]


@pytest.mark.asyncio
async def test_step_in_doubt_can_be_settled_both_ways(world):
    """Its result given, or done again; or the run abandoned."""
    run = world.begin()
    (claimed,) = world.claim()
    world.store.apply(halt(claimed, "charge", FailureReason.IN_DOUBT))
    can = (await world.get(f"/runs/{run}/explanation"))["can"]
    assert [(operation["act"], operation["body"]) for operation in can] == [
        ("give-result", {"step": "charge"}),
        ("retry", {"again": "charge"}),
        ("discard", {}),
    ]


@pytest.mark.asyncio
async def test_run_with_an_effect_in_doubt_is_named_to_who_may_see_it(world):
    """The other caller learns the key, and how to decide on it."""
    world.begin(BACKUP, b"{}")
    (backup,) = world.claim()
    run = world.begin()
    (claimed,) = world.claim()
    for holder in (backup, claimed):
        step = (holder.automation, holder.id, "charge", "key", 1)
        call = EffectCall("charge:7", EffectHolder(f"{holder.id}/charge (attempt 1)", holder.id, *step), "hash", b"[]")
        world.store.apply(BeginEffect(call, "e_1"))
        world.store.apply(SettleEffect("charge:7", "e_1", 1, CallOutcome.UNKNOWN))
        world.store.apply(halt(holder, "charge", FailureReason.IN_DOUBT))
    for who, named in (("ann", True), ("payer", False)):
        found = await world.get(f"/runs/{run}/explanation", who=who)
        commands = [operation["command"] for operation in found["can"]]
        assert (f"mainspring explain {backup.id}" in commands) is named
        assert (backup.id in found["why"][0]) is named
        assert "mainspring effects confirm charge:7" in commands
        (call,) = (await world.get(f"/runs/{run}/story", who=who))["blocked_calls"]
        assert (call["run"], call["owner"].startswith(backup.id)) == (backup.id if named else None, named)


@pytest.mark.asyncio
async def test_others_are_not_named_to_who_may_not_see_them(world):
    """What has the places of a full queue is reported to those alone who see it."""
    world.store.apply(SetQueue("default", 1))
    other = world.begin(BACKUP, b"{}")
    world.claim()
    run = world.begin()
    for who, named in (("ann", True), ("payer", False)):
        (reason,) = (await world.get(f"/runs/{run}/explanation", who=who))["why"]
        assert reason.startswith("Queue default allows 1 run at once, and that many run")
        assert (f": {other} (backup)" in reason) is named


@pytest.mark.asyncio
async def test_journal_is_listed_in_pages(world):
    """Newest first, with values; a cursor that is none is refused."""
    run = world.begin()
    (claimed,) = world.claim()
    for rank in range(1, 6):
        world.store.apply(outcome(claimed, rank, failure=BOOM if rank == 2 else None))
    first = await world.get(f"/runs/{run}/journal", limit=3)
    rest = await world.get(f"/runs/{run}/journal", limit=3, cursor=first["next"])
    assert [item["rank"] for item in (*first["items"], *rest["items"])] == [5, 4, 3, 2, 1]
    assert (rest["next"], rest["items"][0]["failure"]["message"], first["items"][0]["output"]) == (None, "it broke", 1)
    assert (await world.ask("GET", f"/runs/{run}/journal", params={"cursor": "x"})).status_code == 400
    stages = (await world.get(f"/runs/{run}/stages"))["items"]
    assert [step["ident"] for stage in stages for step in stage["steps"]] == ["s1", "s2", "s3", "s4", "s5"]
    step = await world.get(f"/runs/{run}/steps/s2")
    assert (step["outcomes"][0]["input"], step["attempts"]) == ([], [])
    assert (await world.ask("GET", f"/runs/{run}/steps/s9")).status_code == 404


@pytest.mark.asyncio
async def test_a_step_of_any_name_is_read_and_repeated(world):
    """Its identity has escapes, so that a path of the API can contain it; a person may name it as the code does."""
    name = "GET /orders#1/items [50 %]"
    run = world.begin()
    (claimed,) = world.claim()
    ident = f"{escape_step_name(name)}#1"
    world.store.apply(outcome(claimed, 1, ident, name=name))
    world.store.apply(fail(claimed, ident, rank=1))
    step = await world.get(f"/runs/{run}/steps/{quote(ident, safe='')}")
    assert [saved["name"] for saved in step["outcomes"]] == [name]
    explanation = await world.get(f"/runs/{run}/explanation")
    assert explanation["what"][0].startswith(f"It failed at step {name}")
    (retry,) = [offer["command"] for offer in explanation["can"] if "--from-step" in offer["command"]]
    assert retry == f"mainspring runs retry {run} --from-step '{name}'"
    await world.post(f"/runs/{run}/retry", from_step=name)
    assert (await world.get(f"/runs/{run}/journal"))["items"][0]["superseded"] == 1

"""A backfill by a form: first it is shown what would run, then it is made, each due time once."""

import json
import re
from datetime import UTC, datetime

import pytest

import mainspring as ms
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run import cancel
from mainspring.store.read.runs.run_views import list_runs
from tests.unit.web.dashboard.page_world import printed_text

HOUR = 3_600_000


@pytest.fixture
def hours(world):
    """Announce an hourly task; return how to write the hours before now."""
    with Registry() as registry:

        @ms.task(cron="0 * * * *")
        def nightly() -> None: ...

        @ms.task
        def by_hand() -> None: ...

    world.store.apply(build_announcement(registry, world.clock.now()))
    top = world.clock.now() - world.clock.now() % HOUR
    return lambda ago: datetime.fromtimestamp((top - ago * HOUR) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def runs(world):
    return list_runs(world.store.reader, name="nightly").runs


@pytest.mark.asyncio
async def test_preview_lists_runs_and_does_nothing(world, hours):
    """With its command line; the rows leave as JSON."""
    query = {"from": hours(3), "to": hours(0), "rate": "60/m"}
    text = await world.get("/a/nightly/backfill", **query)
    assert "<h2>3 runs would start</h2>" in text
    assert "mainspring auto backfill nightly --from" in text
    assert "--rate 60/m" in text
    rows = json.loads(await world.get("/a/nightly/backfill", **query, **{"as": "json"}))
    assert len(rows) == 3
    assert runs(world) == []
    assert not [operation for operation in world.auth.operations() if operation[0] == "backfill"]


@pytest.mark.asyncio
async def test_runs_are_made_once(world, hours):
    """Pressed twice, and of a range that was made already, nothing is made."""
    path = f"/a/nightly/backfill?from={hours(3)}&to={hours(0)}"
    for _ in range(2):
        fields = {"from": hours(3), "to": hours(0), "reason": "the disk was full", "page": "p1"}
        answer = await world.submit(path, "make", who="olga", **fields)
        assert len(runs(world)) == 3
        assert printed_text(answer.text) == "Done: backfill automation nightly: 3 runs."
    assert "<h2>0 runs would start</h2>" in answer.text
    assert "3 due times have a run already" in answer.text
    assert 'value="make"' not in answer.text
    made = [operation for operation in world.auth.operations() if operation[0] == "backfill"]
    assert made == [("backfill", "automation:nightly", "web:olga")] * 3


@pytest.mark.asyncio
async def test_due_times_whose_run_has_ended_get_another_one(world, hours):
    """Only with the box ticked, in the preview, the command and the operation."""
    path, fields = "/a/nightly/backfill", {"from": hours(3), "to": hours(0)}
    await world.submit(f"{path}?from={hours(3)}&to={hours(0)}", "make", **fields, page="p1")
    for run in runs(world):
        cancel(world.store, run.id, act=operation_context(Actor.cli("ann", "box"), world.clock))
    assert "<h2>0 runs would start</h2>" in await world.get(path, **fields)
    text = await world.get(path, **fields, again="true")
    assert "<h2>3 runs would start</h2>" in text
    assert re.search(r"mainspring auto backfill nightly --from \S+ --to \S+ --again<", text)
    assert 'name="again" value="true" checked' in text
    await world.submit(f"{path}?from={hours(3)}&to={hours(0)}&again=true", "make", **fields, again="true", page="p2")
    assert len(runs(world)) == 6


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"from": "2999-01-01T00:00:00"}, "range in the past"),
        ({"from": "yesterday"}, "not a date"),
        ({"from": "2026-01-01T00:00:00", "rate": "fast"}, "not a rate"),
        ({"from": "1990-01-01T00:00:00"}, "more than 10,000"),
    ],
)
async def test_range_that_cannot_be_used_is_reported_in_place(world, hours, query, reason):
    """With what was typed still there."""
    text = await world.get("/a/nightly/backfill", **query)
    assert reason in text[text.index('class="fault"') :].partition("</p>")[0]
    assert f'value="{query["from"]}"' in text
    answer = await world.submit("/a/nightly/backfill", "make", **query)
    assert answer.status_code == 409
    assert reason in printed_text(answer.text)


@pytest.mark.asyncio
async def test_automation_without_a_schedule_has_no_due_times(world, hours):
    """And what a visitor may not see is not there."""
    assert "no schedule" in await world.get("/a/by_hand/backfill")
    await world.get("/a/nightly/backfill", who="payer", status=404)
    await world.get("/a/nightly/backfill", who="vic", status=403)
    await world.get("/a/nothing/backfill", status=404)

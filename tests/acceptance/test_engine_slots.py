"""Slots under pauses, jitter, calendars, outages and backfills: each is a run or a row that says why not. On a clock that is stuck."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service import backfill
from mainspring.service.automation import pause, resume
from mainspring.service.runs.bulk import BulkDueTimes
from mainspring.store.read.status.status import slots
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio

BEGIN = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def ringing(rang: list[str], *, stays: bool = False, **options: Any) -> Registry:
    given: Any = {"cron": "0 * * * *", "overlap": "allow"} | options
    with Registry() as registry:

        @ms.workflow(**given)
        async def ring(run: ms.Run) -> None:
            rang.append(f"{run.slot:%d %H:%M}")
            if stays:
                await run.receive("out")

    return registry


async def records(engine, count: int) -> list[tuple[str, str, str]]:
    """Return (time, verdict, note) of the slots, oldest first, once there are so many."""
    rows = await engine.when(
        lambda: slots(engine.working.store.reader, "ring", 5_000), lambda found: len(found) >= count
    )
    return [
        (f"{datetime.fromtimestamp(r.slot_at / 1000, UTC):%d %H:%M}", r.verdict, r.note or "") for r in reversed(rows)
    ]


@pytest.mark.parametrize(
    ("policy", "made_up"), [("none", []), ("last", ["01 15:00"]), ("all", ["01 13:00", "01 14:00", "01 15:00"])]
)
async def test_peer_kestra_16721_policy_for_missed_slots_holds_over_a_pause(tmp_path, policy, made_up):
    """PEERS 13: each slot of the pause is on record with who paused and why; what is made up for is the policy's to say."""
    clock, rang = FakeClock(BEGIN), []
    async with World(tmp_path, clock).engine(ringing(rang, misfire=policy), AT_ONCE) as engine:
        await call_service(engine.app, lambda store, act: pause(store, "ring", act=act))
        await engine.pass_time(3 * HOUR + 30 * MINUTE)
        await engine.change(0.05)
        assert slots(engine.working.store.reader, "ring") == []
        await call_service(engine.app, lambda store, act: resume(store, "ring", act=act))
        await engine.pass_time(timedelta(0))
        found = await records(engine, 3)
        await engine.when(lambda: sorted(rang), lambda so_far: so_far == made_up)
    assert [(time, verdict) for time, verdict, _ in found] == [
        (time, "run" if time in made_up else "missed") for time in ("01 13:00", "01 14:00", "01 15:00")
    ]
    assert all("paused by app:" in note for *_, note in found)


async def test_pause_for_a_while_ends_by_itself(tmp_path):
    """No one has to resume it, and its slots say afterwards what they were."""
    clock, rang = FakeClock(BEGIN), []
    async with World(tmp_path, clock).engine(ringing(rang, misfire="none"), AT_ONCE) as engine:
        until = clock.now() + 7_200_000
        await call_service(engine.app, lambda store, act: pause(store, "ring", act=act, until_at=until))
        await engine.pass_time(2 * HOUR + 30 * MINUTE)
        found = await records(engine, 2)
        assert [(time, verdict, note[:10]) for time, verdict, note in found] == [
            ("01 13:00", "missed", "paused by "),
            ("01 14:00", "missed", "paused by "),
        ]
        await engine.pass_time(30 * MINUTE)
        assert (await records(engine, 3))[2] == ("01 15:00", "run", "")


@pytest.mark.parametrize(("policy", "runs"), [("last", 1), ("all:5", 5), ("none", 0)])
async def test_long_outage_is_made_up_for_by_policy_not_once_a_pass(tmp_path, policy, runs):
    """Of five hundred missed minutes "last" is one, however many passes it takes to write them down."""
    clock, rang = FakeClock(BEGIN), []
    world, registry = World(tmp_path, clock), ringing(rang, cron="*/2 * * * *", misfire=policy)
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(timedelta(minutes=1_001))
    async with world.engine(registry, AT_ONCE) as engine:
        found = await records(engine, 500)
        await engine.when(lambda: len(rang), lambda n: n >= runs)
    late = [verdict for _, verdict, _ in found]
    assert late == ["missed"] * (500 - runs) + ["run"] * runs


async def test_newest_of_several_slots_replaces_those_before_it(tmp_path):
    """Also where all of them are made in one pass: those that have not begun are cancelled like any other."""
    clock, rang = FakeClock(BEGIN), []
    world, registry = World(tmp_path, clock), ringing(rang, stays=True, misfire="all", overlap="replace")
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(3 * HOUR + 30 * MINUTE)
    async with world.engine(registry, AT_ONCE) as engine:
        assert [verdict for _, verdict, _ in await records(engine, 3)] == ["run"] * 3
        states = await engine.when(
            lambda: [run.state for run in engine.reads.list_runs().runs],
            lambda found: found.count(RunState.CANCELLED) == 2 and RunState.WAITING in found,
        )
    assert states[0] == RunState.WAITING


async def test_jitter_puts_off_the_run_and_not_the_slot(tmp_path):
    """The slot is made at its time; its run is due some minutes later, at the same instant for anyone who asks."""
    clock, rang = FakeClock(BEGIN), []
    async with World(tmp_path, clock).engine(ringing(rang, jitter="30m"), AT_ONCE) as engine:
        await engine.pass_time(30 * MINUTE + 29 * MINUTE + timedelta(seconds=30))
        assert await records(engine, 1) == [("01 13:00", "run", "")]
        (row,) = engine.reads.list_runs().runs
        assert row.state is RunState.QUEUED
        late = row.due_at - round(datetime(2026, 5, 1, 13, tzinfo=UTC).timestamp() * 1000)
        assert 0 < late < 1_800_000
        assert rang == []
        await engine.pass_time(timedelta(milliseconds=late))
        await engine.when(lambda: rang, bool)
    assert rang == ["01 13:00"]


async def test_closed_days_have_no_slots(tmp_path):
    """From Friday to Monday: nothing is made, missed or skipped in between."""
    clock, rang = FakeClock(BEGIN), []
    registry = ringing(rang, cron="0 9 * * *", calendar="business-days", misfire="all")
    world = World(tmp_path, clock)
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(4 * DAY)
    async with world.engine(registry, AT_ONCE) as engine:
        assert [(time, verdict) for time, verdict, _ in await records(engine, 2)] == [
            ("04 09:00", "run"),
            ("05 09:00", "run"),
        ]


async def test_one_shot_starts_once(tmp_path):
    """At its instant, also where no one scheduled then; and never again."""
    clock, rang = FakeClock(BEGIN), []
    world, registry = World(tmp_path, clock), ringing(rang, cron=None, at="2026-05-01T18:00", tz="Europe/Berlin")
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(6 * HOUR)
    async with world.engine(registry, AT_ONCE) as engine:
        found = await records(engine, 1)
        await engine.pass_time(DAY)
        await engine.change(0.05)
        assert await records(engine, 1) == found
        await engine.when(lambda: rang, bool)
    assert [(time, verdict) for time, verdict, _ in found] == [("01 16:00", "run")]


async def test_slots_continue_while_a_backfill_waits(tmp_path):
    """A due slot is not skipped for runs of the past that have not begun, goes before them, and never beside them."""
    clock, rang = FakeClock(BEGIN), []
    async with World(tmp_path, clock).engine(ringing(rang, stays=True, overlap="skip"), AT_ONCE) as engine:
        reads, now = engine.reads, clock.now()
        found = backfill.list_past_slots(reads, "ring", now - 4 * 3_600_000, now, now)
        later = BulkDueTimes(now + 5_400_000)
        answer = await call_service(
            engine.app, lambda store, act: backfill.backfill(store, reads, clock, "ring", found, act=act, due=later)
        )
        assert answer.made == 4
        await engine.pass_time(HOUR)
        assert (await records(engine, 5))[4] == ("01 13:00", "run", "")
        await engine.when(lambda: list(rang), lambda so_far: so_far == ["01 13:00"])
        (live,) = [run for run in reads.list_runs().runs if run.trigger == "schedule ring"]
        await engine.pass_time(HOUR)
        assert (await records(engine, 6))[5] == ("01 14:00", "skipped", f"run {live.id} has not ended")
        await engine.change(0.05)
        assert rang == ["01 13:00"]
        await engine.app.signal(live.id, "out")
        await engine.when(lambda: list(rang), lambda so_far: so_far == ["01 13:00", "01 09:00"])

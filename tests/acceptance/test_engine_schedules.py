"""Schedules: each slot is one run, what was missed is made up as was said, and overlap is a choice. On a clock that is stuck."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.status.status import schedules, slots
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio

BEGIN = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class CallCounter:
    """Notes each slot that rang; keeps the run until it is let out."""

    def __init__(self, *, stays: bool = False) -> None:
        self.slots: list[str] = []
        self.stays = stays


def ringing(counter: CallCounter, **options: Any) -> Registry:
    given: Any = {"cron": "* * * * *"} | options
    with Registry() as registry:

        @ms.workflow(**given)
        async def ring(run: ms.Run) -> None:
            counter.slots.append(f"{run.slot:%H:%M}")
            if counter.stays:
                await run.receive("out")

    return registry


async def verdicts(engine, count: int) -> list[tuple[str, str]]:
    """Return (time, verdict) of the slots, oldest first, once there are so many."""
    rows = await engine.when(lambda: slots(engine.working.store.reader, "ring"), lambda found: len(found) >= count)
    return [(f"{datetime.fromtimestamp(r.slot_at / 1000, UTC):%H:%M}", r.verdict) for r in reversed(rows)]


async def test_new_interval_does_not_start_a_slot_of_the_past(tmp_path):
    """On a new store `every="1h"` first runs at the next full hour: the slot under way was due before there was a schedule."""
    clock = FakeClock(datetime(2026, 3, 1, 12, 40, tzinfo=UTC))
    with Registry() as registry:

        @ms.task(every="1h")
        def ring() -> None: ...

    for minutes, expected in ((19, []), (1, [("13:00", "run")])):
        async with World(tmp_path, clock).engine(registry) as engine:
            await engine.pass_time(timedelta(minutes=minutes))
            assert await verdicts(engine, len(expected)) == expected


async def test_interval_that_is_added_to_a_store_in_use_starts_at_once(tmp_path):
    """Who adds it sees its first run right away: that of the slot which is under way."""
    clock = FakeClock(datetime(2026, 3, 1, 12, 40, tzinfo=UTC))
    with Registry() as registry:

        @ms.task(every="1h")
        def other() -> None: ...

    async with World(tmp_path, clock).engine(registry):
        pass
    with registry:

        @ms.task(every="1h")
        def ring() -> None: ...

    async with World(tmp_path, clock).engine(registry) as engine:
        assert await verdicts(engine, 1) == [("12:00", "run")]
        assert slots(engine.working.store.reader, "other") == []


async def test_slot_starts_one_run_at_its_time_and_not_before(tmp_path):
    """The first slot is the next one after the definition was announced."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    async with World(tmp_path, clock).engine(ringing(counter), AT_ONCE) as engine:
        await engine.pass_time(timedelta(seconds=29))
        await engine.change(0.05)
        assert counter.slots == []
        await engine.pass_time(timedelta(seconds=1))
        assert await verdicts(engine, 1) == [("12:01", "run")]
        await engine.when(lambda: counter.slots, bool)
    assert counter.slots == ["12:01"]


async def test_peer_prefect_8880_two_schedulers_and_a_restart_make_each_slot_once(tmp_path):
    """PEERS 6: a slot is a unique row; N slots are N runs."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    world = World(tmp_path, clock)
    registry = ringing(counter, overlap="allow")
    async with world.engine(registry, AT_ONCE) as first, world.engine(registry, AT_ONCE) as second:
        for number in range(1, 4):
            clock.advance(MINUTE)
            await asyncio.gather(first.pass_time(timedelta(0)), second.pass_time(timedelta(0)))
            await verdicts(first, number)
        await first.when(lambda: len(counter.slots), lambda n: n >= 3)
    async with world.engine(registry, AT_ONCE) as engine:
        await engine.pass_time(MINUTE)
        await verdicts(engine, 4)
        await engine.when(lambda: len(counter.slots), lambda n: n >= 4)
        runs = engine.reads.list_runs(name="ring").runs
    assert sorted(counter.slots) == ["12:01", "12:02", "12:03", "12:04"]
    assert len(runs) == 4


async def test_clock_that_is_set_back_makes_no_slot_again(tmp_path):
    """The next slot counts from the last one, not from the wall clock."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    async with World(tmp_path, clock).engine(ringing(counter), AT_ONCE) as engine:
        await engine.pass_time(MINUTE)
        await verdicts(engine, 1)
        await engine.pass_time(-MINUTE)
        await engine.pass_time(MINUTE)
        await engine.change(0.05)
        assert await verdicts(engine, 1) == [("12:01", "run")]


@pytest.mark.parametrize(
    ("policy", "made_up"), [("last", ["15:00"]), ("none", []), ("all", ["13:00", "14:00", "15:00"])]
)
async def test_misfire_policy_selects_missed_slots(tmp_path, policy, made_up):
    """PEERS 13: no one scheduled for three hours; those that are not run are on record as missed."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    world = World(tmp_path, clock)
    registry = ringing(counter, cron="0 * * * *", misfire=policy, overlap="allow")
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(timedelta(hours=3, minutes=30))
    async with world.engine(registry, AT_ONCE) as engine:
        found = await verdicts(engine, 3)
        await engine.when(lambda: sorted(counter.slots), lambda rang: rang == made_up)
    assert found == [(time, "run" if time in made_up else "missed") for time in ("13:00", "14:00", "15:00")]


async def test_slot_that_is_a_little_late_is_not_missed(tmp_path):
    """Within a minute it counts as on time, whatever the policy."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    world = World(tmp_path, clock)
    registry = ringing(counter, misfire="none")
    async with world.engine(registry, AT_ONCE):
        pass
    clock.advance(timedelta(seconds=80))
    async with world.engine(registry, AT_ONCE) as engine:
        assert await verdicts(engine, 1) == [("12:01", "run")]


@pytest.mark.parametrize(
    ("policy", "second", "states"),
    [
        ("skip", "skipped", [RunState.WAITING]),
        ("allow", "run", [RunState.WAITING, RunState.WAITING]),
        ("queue", "run", [RunState.QUEUED, RunState.WAITING]),
        ("replace", "run", [RunState.WAITING, RunState.CANCELLED]),
    ],
)
async def test_overlap_policy_decides_for_a_slot_during_a_run(tmp_path, policy, second, states):
    """Skipped by default, with a row that says so."""
    clock, counter = FakeClock(BEGIN), CallCounter(stays=True)
    async with World(tmp_path, clock).engine(ringing(counter, overlap=policy), AT_ONCE) as engine:
        await engine.pass_time(MINUTE)
        await verdicts(engine, 1)
        (first,) = await engine.when(lambda: engine.reads.list_runs().runs, bool)
        await engine.until(first.id, RunState.WAITING)
        await engine.pass_time(MINUTE)
        assert (await verdicts(engine, 2))[1] == ("12:02", second)
        await engine.when(lambda: [r.state for r in engine.reads.list_runs().runs], lambda found: found == states)


async def test_slot_fills_templates_and_names_its_run(tmp_path):
    """The slot is the run's key: the same due time can never start a second one."""
    clock, counter = FakeClock(BEGIN), CallCounter()
    async with World(tmp_path, clock).engine(ringing(counter, title="ring of {slot:%H:%M}"), AT_ONCE) as engine:
        await engine.pass_time(MINUTE)
        await verdicts(engine, 1)
        (row,) = engine.reads.list_runs().runs
        view = engine.view(row.id)
        (schedule,) = schedules(engine.working.store.reader)
    assert view.title == "ring of 12:01"
    assert view.run_key is not None
    assert schedule.next_slot_at - view.slot_at == 60_000

"""That a scheduler needs no one's code; the rest is proven on a real store in tests/acceptance."""

import asyncio
import logging
import threading
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.blocking_calls import executor_caller
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.engine.worker.slot_planner import MAX_SLOTS_PER_PASS
from mainspring.store.commands.automations import SetQueue
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.status.status import schedules
from mainspring.store.sqlite.store import SqliteStore
from mainspring.testing.clock import FakeClock


class Reversing:
    """A codec whose bytes no one takes for plain ones."""

    id = "reversing"

    def encode(self, data: bytes) -> bytes:
        return b64encode(data)[::-1]

    def decode(self, data: bytes) -> bytes:
        import base64

        return base64.b64decode(data[::-1])


def declared(count: int = 1) -> Registry:
    with Registry() as registry:
        for number in range(count):

            @ms.task(name=f"work{number:03}", every="1h", title="of {account}", queue=f"q{number:03}")
            def work(account: str = "main") -> None: ...

    return registry


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "s.db", clock=FakeClock(), deliver=lambda answers: None)
    opened.open()
    yield opened
    opened.close()


@asynccontextmanager
async def scheduling(store, sealing=PLAIN_SEALING):
    """A scheduler that has nothing but the store."""
    loop = asyncio.get_running_loop()
    store.committer._answers._deliver = lambda answers: [
        loop.call_soon_threadsafe(done, result) for done, result in answers if result is not None
    ]
    scheduler = Scheduler(loop, store, WorkerReads(store.reader), store.clock, sealing, executor_caller(loop))
    scheduler.start()
    yield scheduler
    scheduler.close()


async def until(fact):
    async with asyncio.timeout(60):
        while not fact():
            await asyncio.sleep(0.01)


def announce(store, registry, sealing=PLAIN_SEALING, *, without: int = 0, then: timedelta = timedelta(hours=1)):
    """Write definitions as a worker does, and let time pass: the first slot is due.

    The first `without` schedules are written as a version did that gave them no input.
    """
    announcement = build_announcement(registry, store.clock.now(), sealing)
    rows = [
        msgspec.structs.replace(row, input=None) if number < without else row
        for number, row in enumerate(announcement.schedules)
    ]
    store.apply(msgspec.structs.replace(announcement, schedules=tuple(rows)))
    store.clock.advance(then)


@pytest.mark.asyncio
async def test_slot_is_made_without_any_code_from_what_was_announced_sealed(store):
    """The input is what the worker sealed, and what the scheduler writes of it itself is sealed too."""
    sealing = Sealing(Reversing())
    announce(store, declared(), sealing)
    async with scheduling(store, sealing):
        await until(lambda: list_runs(store.reader).runs)
    (run,) = list_runs(store.reader).runs
    ((data,),) = store.reader.read_text("select input from runs")
    assert sealing.open(data) == b'{"account":"main"}' != data
    assert run.queue == "q000"
    assert sealing.open_text(run.title) == "of main" != run.title


@pytest.mark.asyncio
async def test_schedules_that_cannot_be_served_do_not_hide_the_others(store, caplog):
    """Those of an older version wait for a worker of this one, are reported once each, and later ones are served."""
    announce(store, declared(MAX_SLOTS_PER_PASS + 5), without=MAX_SLOTS_PER_PASS + 1)
    with caplog.at_level(logging.ERROR, "mainspring.scheduler"):
        async with scheduling(store) as scheduler:
            await until(lambda: len(list_runs(store.reader, limit=200).runs) == 4)
            scheduler.poll()
            await until(lambda: not scheduler._reading)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == MAX_SLOTS_PER_PASS + 1
    assert "an older version announced it" in messages[0]


@pytest.mark.asyncio
async def test_slot_that_is_refused_is_requested_again_later(store):
    """A queue without room is asked again each second, not as fast as the store answers."""
    announce(store, declared())
    store.apply(SetQueue("q000", max_backlog=0))
    async with scheduling(store) as scheduler:
        await until(lambda: scheduler._timer is not None)
        assert scheduler._open_commands == 0
        assert scheduler._timer.when() - asyncio.get_running_loop().time() > 0.5
    assert list_runs(store.reader).runs == []


@pytest.mark.asyncio
async def test_clock_that_is_put_back_stops_no_schedule(store, caplog):
    """Slots are made from then on, and do not wait until what the clock said before has passed."""
    announce(store, declared())

    def is_up_to_date() -> bool:
        scheduler.poll()
        (schedule,) = schedules(store.reader)
        return 0 < schedule.next_slot_at - store.clock.now() <= 3_600_000

    async with scheduling(store) as scheduler:
        for hours in (0, 9, -8, 1, 1):
            store.clock.advance(timedelta(hours=hours))
            await until(is_up_to_date)
    assert caplog.text.count("the clock was put back: 1 schedules continue") == 1


@pytest.mark.asyncio
async def test_slots_are_computed_once_and_off_the_loop(store, monkeypatch):
    """Of many schedules that are due at once none holds up what else runs there; what is on its way is not computed again."""
    announce(store, declared(20))
    computed: list[tuple[int, Schedule, int]] = []
    plain = Schedule.next_after

    def next_after(schedule: Schedule, at: int) -> int | None:
        computed.append((threading.get_ident(), schedule, at))
        return plain(schedule, at)

    monkeypatch.setattr(Schedule, "next_after", next_after)
    async with scheduling(store) as scheduler:
        while not scheduler._open_commands:
            await asyncio.sleep(0)
        scheduler.poll()
        await until(lambda: len(list_runs(store.reader).runs) == 20)
    assert len(computed) == 20
    assert threading.get_ident() not in {thread for thread, _, _ in computed}


@pytest.mark.asyncio
async def test_schedule_that_is_far_behind_is_searched_once(store, monkeypatch):
    """Which of its missed slots run is the same for all passes that record them."""
    with Registry() as registry:

        @ms.task(every="1m", misfire="all:150", overlap="allow")
        def work() -> None: ...

    announce(store, registry, then=timedelta(0))
    searched: list[int] = []
    plain = Schedule.newest_between

    def newest_between(schedule: Schedule, after: int, until: int, count: int) -> list[int]:
        searched.append(count)
        return plain(schedule, after, until, count)

    monkeypatch.setattr(Schedule, "newest_between", newest_between)
    store.clock.advance(timedelta(minutes=450))
    async with scheduling(store):
        await until(lambda: len(store.reader.read_text("select 1 from slots")) >= 450)
    assert searched == [150]
    made = dict(store.reader.read_text("select verdict, count(*) from slots group by verdict"))
    assert made["run"] - 150 in {0, 1, 2}  # and those that are on time


@pytest.mark.asyncio
async def test_change_while_slots_are_read_is_read_at_once(store, monkeypatch):
    """A schedule that was created after the read began does not wait for the next minute."""
    plain, is_read, may_continue = WorkerReads.next_slot_at, threading.Event(), threading.Event()

    def next_slot_at(reads: WorkerReads) -> int | None:
        found = plain(reads)
        is_read.set()
        assert may_continue.wait(20)
        return found

    monkeypatch.setattr(WorkerReads, "next_slot_at", next_slot_at)
    async with scheduling(store) as scheduler:
        await until(is_read.is_set)
        announce(store, declared())
        scheduler.poll()
        may_continue.set()
        await until(lambda: list_runs(store.reader).runs)

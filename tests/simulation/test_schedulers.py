"""Two schedulers with clocks that disagree, killed and started at random for thirty days of virtual time (on a server five,
but for the long form): each slot is made exactly once.

The real scheduler on the real store, which fails and lies. `SEED=n` lives one seed; TESTS_LONG=1 lives twenty a database.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.calendars import use_calendars
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker import scheduler
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.status.status import plans
from mainspring.testing import FakeClock, VirtualLoop
from tests.simulation.node import NodeLoop, SkewedClock
from tests.simulation.stores import FOLDER, STORES
from tests.simulation.unsure import UnsureDatabase

ALL = os.environ.get("TESTS_LONG") == "1"
SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(1, 21 if ALL else 2))
BEGIN = datetime(2026, 3, 15, 7, 12, 5, tzinfo=UTC)
DAYS = {"sqlite": 30, "postgres": 30 if ALL else 5}
SKEWS = {"sqlite": (0, -45_000, 20_000, 90_000), "postgres": (0, -45_000, 900, 2_500)}
"""How far a machine's clock stands from the others'; a server refuses slots that by its own clock are not due."""
EXPECTED = {
    *("kill", "outage", "skew", "sent again", "executed, then reported failure"),
    *(["killed after commit, before reply"] if ALL else []),
}
BANKS = Calendar(name="banks", exclude=((date(2026, 4, 3), date(2026, 4, 6)),), on_closed="next")
SCHEDULES: dict[str, dict[str, Any]] = {
    "half": {"cron": "*/30 * * * *", "tz": "Europe/Berlin"},
    "hour": {"every": "1h", "jitter": "10m"},
    "night": {"cron": "30 2 * * *", "tz": "Europe/Berlin"},
    "bank": {"cron": "0 9 * * *", "tz": "Europe/Berlin", "calendar": "banks"},
    "once": {"at": "2026-03-29T02:30", "tz": "Europe/Berlin"},
    "newest": {"cron": "20 * * * *", "misfire": "last"},
    "none": {"every": "3h", "misfire": "none"},
}


def declared(years: int) -> Registry:
    """Return what workers announce; `years` makes the data of the calendar other ones, and no other schedule."""
    with use_calendars({"banks": lambda: BANKS.with_dates([], 2026, years)}), Registry() as registry:
        for name, options in SCHEDULES.items():

            @ms.task(**({"name": name, "misfire": "all", "overlap": "allow"} | options))
            def work() -> None: ...

    return registry


class SchedulerNode:
    """A process with a scheduler. The committer's contract: order, groups, again and again until the outcome is known."""

    def __init__(self, world: "Days") -> None:
        self.world = world
        self.dead = False
        self.clock = SkewedClock(world, world.dice.choice(SKEWS[world.name]))
        self.loop: Any = NodeLoop(self, world.loop)  # type: ignore[arg-type]
        opened = world.store.open(self.clock, world, works=False)
        self.database = UnsureDatabase(opened, world, SimpleNamespace(observe=lambda *_, **__: None))  # type: ignore[arg-type]
        self._queue: deque[tuple[Any, Callable[[Any], object]]] = deque()
        self._busy = self._dies_in_commit = False
        registry = declared(world.dice.randint(2027, 2040))
        self.submit(build_announcement(registry, self.clock.now()), lambda _: None)
        reads = WorkerReads(world.reader)
        self.scheduler = Scheduler(self.loop, self, reads, self.clock, PLAIN_SEALING, self._off_loop)  # type: ignore[arg-type]
        self.scheduler.start()

    def guard(self, run: Callable[[], None]) -> None:
        if not self.dead:
            run()

    def kill(self, *, in_commit: bool) -> None:
        """End without a word, now or between the next commit and its answer."""
        if in_commit:
            self._dies_in_commit = True
        else:
            self._end()

    def _end(self) -> None:
        if not self.dead:
            self.dead = True
            self.scheduler.close()
            self.database.close()

    def submit(self, command: Any, on_done: Callable[[Any], object]) -> None:
        if not self.dead:
            self._queue.append((command, on_done))
            if not self._busy:
                self._busy = True
                self.loop.call_later(self.world.latency(), self._commit)

    def _commit(self) -> None:
        size = min(len(self._queue), self.world.dice.choice((1, 4, 512)))
        self._try([self._queue.popleft() for _ in range(size)], again=False)

    def _try(self, group: list[tuple[Any, Any]], *, again: bool) -> None:
        try:
            report = self.database.commit([command for command, _ in group], again=again)
        except StoreUnavailableError:
            self.loop.call_later(0.5, lambda: self._try(group, again=True))
            return
        if self._dies_in_commit:
            self.world.hits["killed after commit, before reply"] += 1
            self._end()
            return
        for (_, on_done), result in zip(group, report.results, strict=True):
            self.loop.call_soon(on_done, result)
        self._busy = bool(self._queue)
        if self._queue:
            self.loop.call_later(self.world.latency(), self._commit)

    def _off_loop(self, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def run() -> None:
            failed = self.world.dice.random() < self.world.fault_rate
            self.loop.call_later(self.world.latency(), then, StoreUnavailableError("simulated") if failed else read())

        self.loop.call_later(self.world.latency(), run)


class Days:
    """Thirty days; `hits` = which misfortunes were reached."""

    clock_type = FakeClock
    misfortunes: tuple[str, ...] = ("kill", "kill", "outage", "skew")

    def __init__(self, seed: int, name: str, folder: Path) -> None:
        self.name = name
        self.dice = random.Random(seed)
        self.clock = self.clock_type(BEGIN, seed=seed)
        self.loop = VirtualLoop(self.clock)
        self.store = STORES[name](folder)
        self.reader = self.store.reader
        self.hits: Counter[str] = Counter()
        self.fault_rate = self.dice.choice((0.01, 0.05))
        self.nodes: list[SchedulerNode] = []
        self._numbers = iter(range(10**9))

    def latency(self) -> float:
        return self.dice.choice((0.0, 0.001, 0.02, 0.4))

    def next_number(self) -> int:
        return next(self._numbers)

    async def live(self) -> None:
        self.nodes = [SchedulerNode(self), SchedulerNode(self)]
        end = self.loop.time() + DAYS[self.name] * 86_400
        while self.loop.time() < end:
            await asyncio.sleep(self.dice.expovariate(1 / 20_000))
            self._misfortune()
        self.fault_rate = 0.0
        for node in self.nodes:
            node.kill(in_commit=False)
        self.nodes = [SchedulerNode(self)]
        self.nodes[0].clock.skew_ms = 0
        await asyncio.sleep(120)

    def befall(self, name: str) -> bool:
        """Let a misfortune happen that is of all processes; return whether it is one."""
        return False

    def _misfortune(self) -> None:
        place = self.dice.randrange(2)
        node, misfortune = self.nodes[place], self.dice.choice(self.misfortunes)
        self.hits[misfortune] += 1
        if self.befall(misfortune):
            return
        if misfortune == "skew":
            node.clock.skew_ms = self.dice.choice(SKEWS[self.name])
            return
        for index in (0, 1) if misfortune == "outage" else (place,):
            self.nodes[index].kill(in_commit=self.dice.random() < 0.5)
            away = self.dice.uniform(1, 30_000 if misfortune == "outage" else 5_000)
            self.loop.call_later(away, self._replace, index)

    def _replace(self, place: int) -> None:
        if self.fault_rate and self.nodes[place].dead:
            self.nodes[place] = SchedulerNode(self)

    def close(self) -> None:
        for node in self.nodes:
            node.kill(in_commit=False)
        self.loop.close()
        self.store.close()


def faults_of(world: Days) -> list[str]:
    """Return what is not as it must be."""
    errors: list[str] = []
    now = world.clock.now()
    runs = Counter(world.reader.read_text("select schedule, slot_at, id from runs"))
    by_slot = Counter((schedule, slot_at) for schedule, slot_at, _ in runs)
    for plan in plans(world.reader):
        schedule = Schedule.from_data(msgspec.json.decode(plan.spec))
        text = "select slot_at, verdict, run from slots where schedule = " + ("?" if world.name == "sqlite" else "$1")
        rows = {at: (verdict, run) for at, verdict, run in world.reader.read_text(text, (plan.name,))}
        started_at = plan.low_water_at - (1 if plan.low_water_at in rows else 0)
        expected = set(schedule.slots_between(started_at, now - 60_000, 10**6))
        errors += [f"{plan.name}: no row for {at}" for at in sorted(expected - rows.keys())]
        errors += [f"{plan.name}: {at} is no slot" for at in sorted(rows.keys() - expected) if at < now - 60_000]
        for at, (verdict, run) in rows.items():
            made = by_slot[plan.name, at]
            if (made, verdict) not in ((1, "run"), (0, "missed")) or (made and (plan.name, at, run) not in runs):
                errors.append(f"{plan.name}: slot {at} is {verdict} and has {made} runs")
            if verdict == "missed" and SCHEDULES[plan.name].get("misfire", "all") == "all":
                errors.append(f"{plan.name}: slot {at} was to be made up for")
    return errors


@pytest.mark.slow
@pytest.mark.timeout(0 if ALL else 200)
@pytest.mark.parametrize("seed", SEEDS)
def test_two_schedulers_make_each_slot_of_thirty_days_once(store, seed, monkeypatch):
    """No slot is doubled, none is without a row, whatever the two of them and the store go through."""
    monkeypatch.setattr(
        scheduler, "_MAX_SLEEP_S", 60.0 if ALL else 1_200.0
    )  # the fewer idle looks, the sooner it is over
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    world = Days(seed, store, folder)
    asyncio.set_event_loop(world.loop)
    try:
        world.loop.run_until_complete(world.live())
        faults, slots = faults_of(world), world.reader.read_text("select count(*) from slots")[0][0]
    finally:
        world.close()
        asyncio.set_event_loop(None)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"seed {seed}: {slots} slots; {dict(sorted(world.hits.items()))}")
    assert not faults, f"seed {seed}: {faults[:10]}"
    assert slots > DAYS[store] * (48 + 24 + 24 + 8) * 0.95
    assert not EXPECTED - world.hits.keys()

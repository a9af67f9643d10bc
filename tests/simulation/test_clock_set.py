"""A clock that is set forward and back by minutes and hours under load: nothing is lost, doubled or late, and no slot comes twice.

Seconds that no one can set continue beside it. By them a run must end, and no timer may end early. `SEED=n` lives one seed.
"""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mainspring.engine.worker import scheduler
from mainspring.store.store_clock import StoreClock
from mainspring.testing import FakeClock
from tests.simulation import test_schedulers
from tests.simulation.stores import FOLDER, STORES
from tests.simulation.test_schedulers import Days, faults_of
from tests.simulation.world import World, simulate

ALL = os.environ.get("TESTS_LONG") == "1"
SEEDS = {"sqlite": 400 if ALL else 20, "postgres": 40 if ALL else 3}
FURTHEST_S = (90.0, 1200.0, 3 * 3600.0)
APART_S = 5.5
"""Between two steps each process notices the first, or is declared dead."""
NOTICED_S = 2.5
"""So long after a step some process has recorded it."""
STAMPED_S = (0.4, 3.0, 6.0)


class SettableClock(FakeClock):
    """A clock that is `set_by_us` ahead of the seconds that no one can set."""

    set_by_us = 0

    def now(self) -> int:
        """Return what the clock shows, in ms."""
        return (self.now_us() + self.set_by_us) // 1_000

    def passed(self) -> float:
        """Return the seconds that only grow."""
        return self.now_us() / 1_000_000


class Elapsed:
    """What a machine's clock would show, had no one set it."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock

    def now(self) -> int:
        """Return ms."""
        return self._clock.now_us() // 1_000

    def random_bits(self, bits: int) -> int:
        """Return random bits of the seed."""
        return self._clock.random_bits(bits)


class ClockWorld(World):
    """A world whose clock is set in the middle of everything; all processes go by the same clock."""

    clock: SettableClock
    skews = (0,)
    misfortunes = ("kill", "pause", "mistake", "drain", "set clock", "set clock", "set right")

    def __init__(self, seed: int, folder: Path, **options: Any) -> None:
        super().__init__(seed, folder, **options)
        self._set_again_from = 0.0
        self.started_at: dict[str, float] = {}
        """When a stamp before a timer was first begun, in seconds of the loop."""

    def make_clock(self) -> FakeClock:
        """Return the clock of the seed."""
        return SettableClock(seed=self.seed)

    def process_clock(self) -> StoreClock:
        """Return a clock that continues by seconds that no one can set, until a commit tells otherwise."""
        return StoreClock(Elapsed(self.clock))

    def befall(self, name: str) -> bool:
        """Set the clock, or set it right."""
        if name not in ("set right", "set clock"):
            return False
        if self.loop.time() < self._set_again_from:
            return True
        self._set_again_from = self.loop.time() + APART_S
        if name == "set right":
            self.clock.set_by_us = 0
        elif name == "set clock":
            furthest = self.dice.choice(FURTHEST_S)
            self.clock.set_by_us += round(self.dice.uniform(-furthest, furthest) * 1_000_000)
        self.hits["clock was set"] += 1
        return True

    def _new_node(self, name: str) -> None:
        """Start a process, but not before the others have noticed a step: it has nothing to compare the clock with."""
        wait = self._set_again_from - APART_S + NOTICED_S - self.loop.time()
        if wait > 0:
            self.loop.call_later(wait, self._new_node, name)
        else:
            super()._new_node(name)

    def grow_tree(self, size: int, number: int) -> Any:
        """Put a timer that is measured beside what the run does anyhow."""
        return ["gather", [["timed", f"t{number}", self.dice.choice(STAMPED_S)], super().grow_tree(size, number)]]

    def stamp(self, name: str, wait_s: float | None) -> None:
        """Note the begin of a timer, or compare its end with that."""
        now = self.loop.time()
        if wait_s is None:
            self.started_at.setdefault(name, now)
        elif now - self.started_at[name] < wait_s - 0.001:
            self.errors.append(f"timer {name} of {wait_s} s ended after {now - self.started_at[name]:.3f} s")
        else:
            self.hits["timer ended"] += 1


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_clock_that_is_set_under_load_loses_and_doubles_nothing(store):
    """Every run ends as it must within minutes of its own time, whatever the clock shows; no timer ends early."""
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(SEEDS[store])
    hits: Counter[str] = Counter()
    for seed in seeds:
        world = simulate(seed, store=store, kind=ClockWorld)
        hits += world.hits
        assert not world.errors, f"seed {seed}: {world.errors[:10]}"
    assert min(hits["clock was set"], hits["timer ended"]) > 0


class ClockDays(Days):
    """Days with two schedulers, whose clock is set by hours; both go by it. It is right at the end."""

    clock: SettableClock
    clock_type = SettableClock
    misfortunes = ("kill", "outage", "set clock", "set clock", "set right")

    def befall(self, name: str) -> bool:
        """Set the clock, or set it right."""
        if name == "set clock":
            self.clock.set_by_us = round(self.dice.uniform(-3, 3) * 3600 * 1_000_000)
        elif name == "set right":
            self.clock.set_by_us = 0
        return name in ("set clock", "set right")

    async def live(self) -> None:
        """Live on, and set the clock right before the last look."""
        await super().live()
        self.clock.set_by_us = 0
        await asyncio.sleep(7200)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_slots_come_once_although_the_clock_is_set(store, monkeypatch):
    """No slot is doubled, none is without a row, whatever is done to the clock while schedulers are killed."""
    monkeypatch.setattr(test_schedulers, "SKEWS", dict.fromkeys(STORES, (0,)))
    monkeypatch.setitem(test_schedulers.DAYS, store, 10 if store == "sqlite" else 3)
    monkeypatch.setattr(scheduler, "_MAX_SLEEP_S", 600.0)
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    world = ClockDays(1, store, folder)
    asyncio.set_event_loop(world.loop)
    try:
        world.loop.run_until_complete(world.live())
        faults, slots = faults_of(world), world.reader.read_text("select count(*) from slots")[0][0]
    finally:
        world.close()
        asyncio.set_event_loop(None)
        shutil.rmtree(folder, ignore_errors=True)
    assert not faults, faults[:10]
    assert slots > 100
    assert world.hits["set clock"] > 3

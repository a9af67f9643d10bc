"""The watch over a loop, driven with a clock of the test's own."""

import asyncio
import threading
import time

import pytest

from mainspring.engine.worker.stall_watch import StallWatch


class World:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.stalls = []
        self.limits = []
        self.turns = 0
        self.watch = StallWatch(
            self.loop,
            threading.get_ident(),
            on_stall=lambda frames, since: self.stalls.append((frames, since)),
            on_limit=self.limits.append,
            on_turn=self.is_blocked,
            report_after=4.0,
            limit_after=300.0,
            now=lambda: self.now,
        )

    def is_blocked(self):
        self.turns += 1

    def turn(self):
        self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def world():
    world = World()
    yield world
    world.watch.close()
    world.loop.close()


def test_stalled_loop_is_reported_once_with_its_stack(world):
    """After the span the guilty line is reported, and told once."""
    assert not world.watch.check_once()
    world.now = 3.9
    assert not world.watch.check_once()
    world.now = 4.0
    assert world.watch.check_once()
    world.now = 9.0
    assert world.watch.check_once()
    ((frames, since),) = world.stalls
    assert since == 4.0
    assert any("test_stalled_loop_is_reported_once_with_its_stack" in line for line in frames)
    assert world.limits == []


def test_recovered_loop_is_reported_once(world):
    """After the stall was, and only where it was; a stall after that is a new one."""
    for started_at in (0.0, 100.0):
        world.now = started_at
        world.watch.check_once()
        world.now += 4.0
        world.watch.check_once()
        stalls, turns = len(world.stalls), world.turns
        world.turn()
        for _ in range(2):
            world.watch.check_once()
            world.turn()
        assert (len(world.stalls), world.turns) == (stalls, turns + 1)
    assert (len(world.stalls), world.turns) == (2, 2)


def test_turning_loop_is_never_reported(world):
    """A loop that turns between checks is fine however long it lives, and a later stall is a new one."""
    for second in range(0, 1000, 3):
        world.now = float(second)
        assert not world.watch.check_once()
        world.turn()
    assert world.turns == 0
    assert world.stalls == []
    for _ in range(2):
        world.watch.check_once()
        world.now += 5
        assert world.watch.check_once()
        world.turn()
    assert len(world.stalls) == 2


def test_machine_that_slept_is_no_stall(world):
    """A jump of the clock between two checks is not held against the loop."""
    world.watch.check_once()
    world.turn()
    world.now = 10_000.0
    assert not world.watch.check_once()


def test_limit_is_reported_once(world):
    """A loop that stays wedged comes to its limit."""
    world.watch.check_once()
    for now in (299.0, 300.0, 301.0):
        world.now = now
        world.watch.check_once()
    assert world.limits == [300.0]


def test_closed_loop_is_no_stall(world):
    """A loop that was closed is not watched any more."""
    world.turn()
    world.loop.close()
    assert not world.watch.check_once()


def test_f22_blocked_loop_is_reported_while_it_blocks():
    """The watching thread reports a loop that sleeps in plain code, with that code's line."""
    reports = []
    notified = threading.Event()

    def on_stall(frames, since):
        reports.append(frames)
        notified.set()

    async def blocks():
        notified.wait(10)

    async def main():
        watch = StallWatch(
            asyncio.get_running_loop(),
            threading.get_ident(),
            on_stall=on_stall,
            on_limit=lambda since: None,
            report_after=0.05,
            now=time.monotonic,
        )
        watch.start()
        await asyncio.sleep(0)
        await blocks()
        watch.close()

    asyncio.run(main())
    assert any("blocks" in line for line in reports[0])

"""The loop that does not wait, and its clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mainspring.testing import DeadlockError, FakeClock, VirtualLoop


def test_a_day_of_waiting_takes_no_time():
    """Timers fire in their order, and the clock shows the time at which each is due."""
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    loop = VirtualLoop(clock)
    seen = []

    async def wait(hours):
        await asyncio.sleep(hours * 3600)
        seen.append((hours, clock.now()))

    async def all_of_them():
        await asyncio.gather(*(wait(hours) for hours in (24, 1, 7)))

    started_at = clock.now()
    loop.run_until_complete(all_of_them())
    loop.close()
    assert [(hours, at - started_at) for hours, at in seen] == [(h, h * 3_600_000) for h in (1, 7, 24)]


def test_deadlock_is_an_error():
    """Waiting for something that no one brings raises instead of waiting for ever."""
    loop = VirtualLoop(FakeClock())
    with pytest.raises(DeadlockError):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_clock_moves_only_on_request_and_its_randomness_repeats():
    """Two clocks of one seed show the same."""
    first, second = FakeClock(seed=7), FakeClock(seed=7)
    first.advance(timedelta(seconds=1.5))
    assert first.now() - second.now() == 1_500
    assert [first.random_bits(64) for _ in range(3)] == [second.random_bits(64) for _ in range(3)]

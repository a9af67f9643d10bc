"""A thread of its own: one act at a time, and the next one at once when the last has ended."""

import asyncio
import threading

import pytest

from mainspring.integrations.base.channel_thread import ChannelThread
from mainspring.integrations.base.notifier import ChannelFault

pytestmark = pytest.mark.asyncio


async def test_next_call_may_start_at_once():
    """Anyone who was reported an end need not wait for the thread to be gone, after a fault neither."""
    thread = ChannelThread("mainspring-test")
    for number in range(300):
        assert await thread.run(lambda number=number: number) == number
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 // 0)


async def test_abandoned_call_blocks_the_next_until_it_ends():
    """What hangs does not add up."""
    thread, blocker = ChannelThread("mainspring-test"), threading.Event()
    hanging = asyncio.create_task(thread.run(blocker.wait))
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(ChannelFault, match="has not ended yet"):
        await thread.run(lambda: 1)
    blocker.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await thread.run(lambda: 1) == 1
                break
            except ChannelFault:
                await asyncio.sleep(0)

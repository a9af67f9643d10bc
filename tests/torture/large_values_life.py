"""A program that passes values of a mebibyte through many runs: `python -m tests.torture.large_values_life STORE COUNT`.

It prints its largest memory in bytes, the blobs after the runs, and those after retention and a sweep.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import mainspring as ms
from mainspring.app.workers.blob_sweep import BlobSweep
from mainspring.store.commands.automations import ApplyRetention

_SIZE = 1024 * 1024
_AT_ONCE = 8
_LATER_MS = 3 * 86_400_000


async def render(number: int) -> str:
    """Return a large value of its own for each number."""
    return f"{number:06d}".ljust(_SIZE, "x")


async def measure(text: str) -> int:
    """Return the size of a large value."""
    return len(text)


@ms.workflow
async def passes(run: ms.Run, number: int) -> int:
    """Pass a large value from step to step."""
    return await run.step(measure, await run.step(render, number))


async def work(store_url: str, count: int) -> None:
    """Make the runs, then let all of them go."""
    app = ms.App(store_url)
    free = asyncio.Semaphore(_AT_ONCE)

    async def pass_value(number: int) -> None:
        async with free:
            handle = await app.start(passes, number)
            assert await handle.result(300) == _SIZE

    async with app.running():
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(pass_value(number))
        memory = read_largest_memory()
        store, large = await app.opened_store(), app.sealing.large
        assert large is not None
        before = count_blobs(large.contents)
        now = app.clock.now()
        while (await asyncio.to_thread(store.apply, ApplyRetention(now + 1, now + 1, now + 1, None, None))).number:
            pass
        sweep = BlobSweep(large.contents, app.clock, grace=timedelta(0))
        for _ in range(2):
            await asyncio.to_thread(sweep.sweep, store, now + _LATER_MS)
        print(json.dumps({"memory": memory, "before": before, "after": count_blobs(large.contents)}))


def read_largest_memory() -> int:
    """Return the most memory of this program in bytes. The figure of getrusage contains the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def count_blobs(contents) -> int:
    """Count the blobs in their place."""
    return sum(len(contents.sizes(day)) for day in contents.days())


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))

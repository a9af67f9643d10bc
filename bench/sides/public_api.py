"""`python -m bench.sides.public_api WHAT NUMBERS...`: `App.start` and `Handle.result` as a user calls them; prints JSON.

The store is a file in BENCH_FOLDER, or on the server at BENCH_STORE.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import mainspring as ms
from bench.sides.automations import nap, one_step
from bench.sides.engine import store_place

WARM_UP = 10


async def same_process(count: int) -> dict[str, Any]:
    """Start one-step runs one by one beside a worker in this loop, and await each result."""
    app = ms.App(store_place())
    async with app.running(schedules=False):
        return {"ms": await _timed(app, count)}


async def other_process(count: int) -> dict[str, Any]:
    """The same while another process works."""
    app = ms.App(store_place())
    async with _worker():
        return {"ms": await _timed(app, count)}


async def wakes(count: int) -> dict[str, Any]:
    """Let runs sleep one by one beside a worker in this loop; tell how late each went on."""
    app = ms.App(store_place())
    async with app.running(schedules=False):
        late = [await (await app.start(nap, number)).result() for number in range(count + 1)]
    return {"ms": [ns / 1e6 for ns in late[1:]]}


async def waiters(count: int) -> dict[str, Any]:
    """Await so many runs of another process at once: what that costs while none ends, and how long the last result takes to come."""
    app = ms.App(store_place())
    later = app.options(at=datetime.now(UTC) + timedelta(days=1))
    handles = [await later.start(one_step, number) for number in range(count)]
    tasks = [asyncio.create_task(handle.result()) for handle in handles]
    await asyncio.sleep(2)
    began, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(5)
    share = (time.process_time() - used) / (time.perf_counter() - began)
    async with _worker():
        beside = await _timed(app, 50)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    app.close()
    return {"cpu_percent": share * 100, "ms": beside}


async def _timed(app: ms.App, count: int) -> list[float]:
    took = []
    for number in range(count + WARM_UP):
        began = time.perf_counter()
        handle = await app.start(one_step, number)
        if await handle.result() != number + 1:
            raise RuntimeError("the run has another result than its step")
        took.append((time.perf_counter() - began) * 1000)
    return took[WARM_UP:]


@asynccontextmanager
async def _worker() -> AsyncIterator[None]:
    """A worker in another process, ready for work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.sides.public_api", "serve", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


async def serve() -> dict[str, Any]:
    """Work until stopped; print a line when ready."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with ms.App(store_place()).running(schedules=False):
        print("ready", flush=True)
        await stop.wait()
    return {}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

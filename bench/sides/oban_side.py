"""`python -m bench.sides.oban_side WHAT NUMBERS...`: one-step jobs by oban-py on the server at BENCH_STORE; prints JSON.

One queue whose limit the caller says. A job that ended is noted in memory and acknowledged with others when the queue fetches again, at
most each 5 ms, one statement a job in one transaction.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from oban import Oban
from oban import worker as worker_class
from oban.schema import install as install_schema
from psycopg_pool import AsyncConnectionPool

from bench.sides.server import Spent

URL = os.environ["BENCH_STORE"]
STAMPS: dict[int, int] = {}


@worker_class(queue="default")
class Add:
    """A job that costs nothing of its own."""

    async def process(self, job: Any) -> None:
        """Do it."""
        int(job.args["x"])


@worker_class(queue="default")
class Stamp:
    """A job that tells when it ran."""

    async def process(self, job: Any) -> None:
        """Note the instant."""
        STAMPS[job.args["x"]] = time.time_ns()


async def _pool() -> AsyncConnectionPool:
    pool = AsyncConnectionPool(URL, min_size=2, max_size=10, open=False)
    await pool.open(wait=True)
    return pool


async def install() -> dict[str, Any]:
    """Make its tables."""
    pool = await _pool()
    await install_schema(pool)
    await pool.close()
    return {}


async def staged(jobs: int, limit: int) -> dict[str, Any]:
    """Jobs that lie ready: from the worker's start to the last acknowledged one."""
    await install()
    pool = await _pool()
    client = Oban(pool=pool, name="client")
    for first in range(0, jobs, 1_000):
        await client.enqueue_many([Add.new({"x": 1}) for _ in range(min(1_000, jobs - first))])  # type: ignore[attr-defined]
    spent = Spent(URL)
    async with Oban(pool=pool, queues={"default": limit}), pool.connection() as look:
        await look.set_autocommit(True)
        while True:
            row = await (
                await look.execute("select exists (select 1 from oban_jobs where state <> 'completed')")
            ).fetchone()
            if row is not None and not row[0]:
                break
            await asyncio.sleep(0.01)
        found = {"units": jobs, **spent.read()}
        await look.set_autocommit(False)
    await pool.close()
    return found


async def worker(limit: int) -> dict[str, Any]:
    """Work, from when the gate is open until the word comes on the standard input; say `ready` before."""
    print("ready", flush=True)
    while not Path(os.environ["BENCH_GATE"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.005)
    pool = await _pool()
    async with Oban(pool=pool, queues={"default": limit}):
        await asyncio.to_thread(sys.stdin.readline)
    await pool.close()
    return {"stamps": STAMPS}


async def settle() -> dict[str, Any]:
    """Give a worker that has begun a moment: it says nowhere that it is ready."""
    await asyncio.sleep(2)
    return {}


async def until_empty() -> dict[str, Any]:
    """Wait until every job has ended."""
    pool = await _pool()
    while True:
        async with pool.connection() as look:
            row = await (await look.execute("select 1 from oban_jobs where state <> 'completed' limit 1")).fetchone()
        if row is None:
            break
        await asyncio.sleep(0.02)
    await pool.close()
    return {}


async def enqueue(count: int, a_second: int) -> dict[str, Any]:
    """Enqueue jobs one by one at this rate; tell when each was committed."""
    pool = await _pool()
    client = Oban(pool=pool, name="client")
    stamps: dict[int, int] = {}
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        await client.enqueue(Stamp.new({"x": number}))  # type: ignore[attr-defined]
        stamps[number] = time.time_ns()
    await pool.close()
    return {"stamps": stamps}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

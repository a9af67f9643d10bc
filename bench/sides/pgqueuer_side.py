"""`python -m bench.sides.pgqueuer_side WHAT NUMBERS...`: one-step jobs by pgqueuer on the server at BENCH_STORE; prints JSON.

Its fastest documented way: asyncpg and uvloop, all tables logged (`durable`), no limit of concurrency, `batch_size` as the caller says. A
job that succeeded is noted in memory and acknowledged with others, when `batch_size` of them have gathered or 0.1 s have passed.
"""

# ruff: noqa: ASYNC110 - what is waited for happens on the server

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job

from bench.sides.server import Spent

URL = os.environ["BENCH_STORE"]
STAMPS: dict[int, int] = {}


async def _open() -> tuple[PgQueuer, Queries]:
    connection = await asyncpg.connect(URL)
    queuer = PgQueuer.from_asyncpg_connection(connection)

    @queuer.entrypoint("add")
    async def add(job: Job) -> None:
        assert job.payload is not None
        int(job.payload)

    @queuer.entrypoint("stamp")
    async def stamp(job: Job) -> None:
        assert job.payload is not None
        STAMPS[int(job.payload)] = time.time_ns()

    return queuer, Queries(AsyncpgDriver(await asyncpg.connect(URL)))


async def install() -> dict[str, Any]:
    """Make its tables."""
    await Queries(AsyncpgDriver(await asyncpg.connect(URL))).install()
    return {}


async def staged(jobs: int, batch: int) -> dict[str, Any]:
    """Jobs that lie ready: from the worker's start to the last acknowledged one."""
    await install()
    queuer, queries = await _open()
    for first in range(0, jobs, 1_000):
        count = min(1_000, jobs - first)
        await queries.enqueue(["add"] * count, [b"1"] * count, [0] * count)
    spent = Spent(URL)
    working = asyncio.create_task(queuer.run(batch_size=batch))
    look = await asyncpg.connect(URL)
    while await look.fetchval("select exists (select 1 from pgqueuer)"):
        await asyncio.sleep(0.01)
    found = {"units": jobs, **spent.read()}
    queuer.shutdown.set()
    await working
    return found


async def worker(batch: int) -> dict[str, Any]:
    """Work, from when the gate is open until the word comes on the standard input; say `ready` before."""
    print("ready", flush=True)
    while not Path(os.environ["BENCH_GATE"]).exists():  # noqa: ASYNC240
        await asyncio.sleep(0.005)
    queuer, _ = await _open()
    working = asyncio.create_task(queuer.run(batch_size=batch, dequeue_timeout=timedelta(seconds=30)))
    await asyncio.to_thread(sys.stdin.readline)
    queuer.shutdown.set()
    await working
    return {"stamps": STAMPS}


async def settle() -> dict[str, Any]:
    """Give a worker that has begun a moment: it says nowhere that it is ready."""
    await asyncio.sleep(2)
    return {}


async def until_empty() -> dict[str, Any]:
    """Wait until every job has ended."""
    look = await asyncpg.connect(URL)
    while await look.fetchval("select exists (select 1 from pgqueuer)"):
        await asyncio.sleep(0.02)
    return {}


async def enqueue(count: int, a_second: int) -> dict[str, Any]:
    """Enqueue jobs one by one at this rate; tell when each was committed."""
    queries = Queries(AsyncpgDriver(await asyncpg.connect(URL)))
    stamps: dict[int, int] = {}
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        await queries.enqueue("stamp", str(number).encode())
        stamps[number] = time.time_ns()
    return {"stamps": stamps}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

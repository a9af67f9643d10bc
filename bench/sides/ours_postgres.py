"""`python -m bench.sides.ours_postgres WHAT NUMBERS...`: one measurement of ours on the server at BENCH_STORE; prints JSON."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.sides.automations import STAMPS
from bench.sides.engine import CLOCK, start, submit_all, until_ended, until_finished, working
from bench.sides.server import Spent
from mainspring.app.stores.store_factory import make_store
from mainspring.store.process_store import ProcessStore

URL = os.environ["BENCH_STORE"]


async def _staged(name: str, runs: int, **arguments: Any) -> None:
    """Commit starts by a process that works on none of them."""
    store = _store()
    await submit_all(store, [start(name, **arguments) for _ in range(runs)])
    store.close()


def _store() -> ProcessStore:
    loop = asyncio.get_running_loop()

    def deliver(answers: list[Any]) -> None:
        loop.call_soon_threadsafe(lambda: [on_done(result) for on_done, result in answers])

    store = make_store(URL, clock=CLOCK, deliver=deliver)
    store.open()
    return store


async def steps(runs: int, count: int) -> dict[str, Any]:
    """Runs of `count` coroutine steps each, 64 in flight, starts included."""
    async with working() as engine:
        await submit_all(engine.store, [start("steps", count=1)])
        await until_finished(engine.store, 1)
        spent = Spent(URL)
        await submit_all(engine.store, [start("steps", count=count) for _ in range(runs)])
        await until_finished(engine.store, runs + 1)
        return {"units": runs * count, **spent.read()}


async def more_steps(runs: int, count: int) -> dict[str, Any]:
    """The same in a store that may hold finished runs."""
    async with working() as engine:
        await submit_all(engine.store, [start("steps", count=1)])
        await until_ended(engine.store)
        spent = Spent(URL)
        await submit_all(engine.store, [start("steps", count=count) for _ in range(runs)])
        await until_ended(engine.store)
        return {"units": runs * count, **spent.read()}


async def staged(runs: int, in_flight: int) -> dict[str, Any]:
    """One-step runs that lie ready: from the worker's first claim to the last committed result."""
    await _staged("one_step", runs, x=1)
    async with working(in_flight) as engine:
        spent = Spent(URL)
        await until_finished(engine.store, runs)
        return {"units": runs, **spent.read()}


async def worker(in_flight: int) -> dict[str, Any]:
    """Work, from when the gate is open until the word comes on the standard input; say `ready` before."""
    print("ready", flush=True)
    while not Path(os.environ["BENCH_GATE"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.005)
    async with working(in_flight):
        await asyncio.to_thread(sys.stdin.readline)
    return {"stamps": dict(STAMPS)}


async def stage(runs: int) -> dict[str, Any]:
    """Leave one-step runs ready."""
    await _staged("one_step", runs, x=1)
    return {}


async def stage_gated(runs: int) -> dict[str, Any]:
    """Leave runs ready that stop at a gate."""
    store = _store()
    await submit_all(store, [start("gated", number=n) for n in range(runs)])
    store.close()
    return {}


async def settle() -> dict[str, Any]:
    """Wait until a worker lives that has announced what it can do."""
    store = _store()
    while not store.reader.read_text("select 1 from automations where name = 'stamp'"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    store.close()
    return {}


async def until_empty() -> dict[str, Any]:
    """Wait until every run has ended."""
    store = _store()
    await until_ended(store)
    store.close()
    return {}


async def until_done(runs: int) -> dict[str, Any]:
    """Wait until so many runs succeeded."""
    store = _store()
    await until_finished(store, runs)
    store.close()
    return {}


async def enqueue(count: int, a_second: int) -> dict[str, Any]:
    """Start runs one by one at this rate; tell when each start was committed."""
    store = _store()
    stamps: dict[int, int] = {}
    all_done = asyncio.Event()

    def committed(number: int) -> Any:
        def note(_result: object) -> None:
            stamps[number] = time.time_ns()
            if len(stamps) == count:
                all_done.set()

        return note

    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        store.submit(start("stamp", number=number), committed(number))
    await all_done.wait()
    store.close()
    return {"stamps": stamps}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

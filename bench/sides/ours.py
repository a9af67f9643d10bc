"""`python -m bench.sides.ours WHAT NUMBERS...`: one measurement of ours; prints JSON."""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

from bench.sides.bare import Bare
from bench.sides.engine import start, start_all, store_path, until_finished, working


async def _throughput(name: str, runs: int, count: int) -> dict[str, Any]:
    async with working() as engine:
        await start_all(engine.store, [start(name, count=1)])
        await until_finished(engine.store, 1)
        began, used = time.perf_counter(), time.process_time()
        await start_all(engine.store, [start(name, count=count) for _ in range(runs)])
        await until_finished(engine.store, runs + 1)
        took, cpu = time.perf_counter() - began, time.process_time() - used
    return {"per_s": runs * count / took, "runs_per_s": runs / took, "cpu_us": cpu / (runs * count) * 1e6, "took_s": took}


async def steps(runs: int, count: int) -> dict[str, Any]:
    """Runs of `count` coroutine steps each, 64 in flight, starts included."""
    return await _throughput("steps", runs, count)


async def plain_steps(runs: int, count: int) -> dict[str, Any]:
    """The same with plain functions."""
    return await _throughput("plain_steps", runs, count)


async def many(items: int) -> dict[str, Any]:
    """One map over so many items."""
    return await _throughput("many", 1, items)


async def sequential(count: int) -> dict[str, Any]:
    """Time from step to step of one run, in turn with bare commits on the same disk."""
    from bench.sides import automations

    at: list[int] = []
    adding = automations.add

    async def stamped(x: int) -> int:
        at.append(time.perf_counter_ns())
        return x + 1

    automations.add = stamped
    bare = Bare(store_path().with_name("bare.db"))
    bare_us = bare.commit(count // 2)
    async with working() as engine:
        await start_all(engine.store, [start("steps", count=count)])
        await until_finished(engine.store, 1)
    bare_us += bare.commit(count // 2)
    automations.add = adding
    took_us = [(b - a) / 1000 for a, b in zip(at, at[1:], strict=False)]
    return {
        **{f"p{p}": _percentile(took_us, p) for p in (50, 99)},
        **{f"bare_p{p}": _percentile(bare_us, p) for p in (50, 99)},
    }


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

"""`python -m bench.sides.ledger KIND RUNS COUNT`: durable steps with and without an effect of the ledger.

Runs are started and awaited through `App`, as a user does it.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import mainspring as ms
from bench.sides.engine import store_path


async def plain(key: str, x: int) -> int:
    """A step that costs nothing of its own."""
    return x + 1


async def once(key: str, x: int) -> int:
    """The same as an effect within the step: an intent before it, an outcome after it."""
    return await ms.once(key, plain, key, x)


@ms.action(once="{key}")
async def action(key: str, x: int) -> int:
    """The same as an action, whose outcome is committed with that of its step."""
    return x + 1


STEPS: dict[str, Callable[[str, int], Coroutine[Any, Any, int]]] = {"plain": plain, "once": once, "action": action}


@ms.workflow
async def add_up(run: ms.Run, kind: str, count: int) -> int:
    """Steps one after the other, each with a key of its own."""
    x = 0
    for number in range(count):
        x = await run.step(STEPS[kind], f"{run.id}/{number}", x)
    return x


async def measure_steps(kind: str, runs: int, count: int) -> dict[str, float]:
    """Return steps a second and CPU a step, starts and results included."""
    app = ms.App(store_path())
    async with app.running():
        await (await app.start(add_up, kind, 1)).result()
        began, used = time.perf_counter(), time.process_time()
        handles = await asyncio.gather(*(app.start(add_up, kind, count) for _ in range(runs)))
        await asyncio.gather(*(handle.result() for handle in handles))
        took, cpu = time.perf_counter() - began, time.process_time() - used
    return {"per_s": runs * count / took, "cpu_us": cpu / (runs * count) * 1e6}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure_steps(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))

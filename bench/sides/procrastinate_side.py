"""`python -m bench.sides.procrastinate_side WHAT NUMBERS...`: one-step jobs by procrastinate on the server at BENCH_STORE; prints JSON.

Concurrency as the caller says, LISTEN/NOTIFY on. Each fetch and each acknowledgement is a transaction of its own.
"""

import json
import logging
import os
import sys
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector

from bench.sides.server import Spent

URL = os.environ["BENCH_STORE"]
logging.disable(logging.WARNING)
APP = App(connector=PsycopgConnector(conninfo=URL, min_size=2, max_size=20))


@APP.task(name="add")
async def add(x: int) -> int:
    """A job that costs nothing of its own."""
    return x + 1


async def staged(jobs: int, concurrency: int) -> dict[str, Any]:
    """Jobs that lie ready: from the worker's start to the last acknowledged one."""
    async with APP.open_async():
        await APP.schema_manager.apply_schema_async()
        for first in range(0, jobs, 1_000):
            await add.batch_defer_async(*[{"x": 1}] * min(1_000, jobs - first))
        spent = Spent(URL)
        await APP.run_worker_async(concurrency=concurrency, wait=False, install_signal_handlers=False)
        return {"units": jobs, **spent.read()}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

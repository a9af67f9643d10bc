"""`python -m bench.sides.dbos_side WHAT NUMBERS...`: the same work by DBOS, on SQLite or on the server at BENCH_STORE; prints JSON."""

import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from typing import Any

from dbos import DBOS, DBOSClient, EnqueueOptions

SERVER = os.environ.get("BENCH_STORE")
URL = (
    SERVER.replace("postgresql://", "postgresql+psycopg://")
    if SERVER
    else f"sqlite:///{os.environ['BENCH_FOLDER']}/dbos.sqlite"
)
NOTICED = "noticed"
DBOS(
    config={
        "name": "bench",
        "system_database_url": URL,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
        "application_version": "1",
        "executor_id": "bench",
        **({"sys_db_pool_size": 64} if SERVER else {}),
    }
)
AT: list[int] = []


@DBOS.step()
async def add(x: int) -> int:
    """The same step."""
    AT.append(time.perf_counter_ns())
    return x + 1


@DBOS.step()
def add_plainly(x: int) -> int:
    """The same step as a plain function."""
    return x + 1


@DBOS.step()
async def pass_gate(x: int) -> int:
    """Wait for ever, until the gate is open before the step begins."""
    if not os.path.exists(os.environ.get("BENCH_GATE", "")):  # noqa: ASYNC240, PTH110
        await asyncio.sleep(1_000_000)
    return x


@DBOS.workflow()
async def in_turn(count: int) -> int:
    """Steps one after the other."""
    x = 0
    for _ in range(count):
        x = await add(x)
    return x


@DBOS.workflow()
async def one_step(x: int) -> int:
    """A workflow of one step."""
    return await add(x)


@DBOS.workflow()
def plainly_in_turn(count: int) -> int:
    """Plain functions one after the other."""
    x = 0
    for _ in range(count):
        x = add_plainly(x)
    return x


@DBOS.workflow()
async def all_items(count: int) -> int:
    """One step an item, 64 at a time."""
    gate = asyncio.Semaphore(64)

    async def one(item: int) -> int:
        async with gate:
            return await add(item)

    return len(await asyncio.gather(*(one(item) for item in range(count))))


@DBOS.workflow()
async def gated(number: int) -> int:
    """A saved step, then one that is under way when the process is killed."""
    await add(number)
    return await pass_gate(number)


async def _throughput(runs: int, count: int, starter: Any) -> dict[str, Any]:
    room = asyncio.Semaphore(64)

    async def one() -> None:
        async with room:
            await starter(count)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(runs)))
    took, cpu = time.perf_counter() - began, time.process_time() - used
    return {
        "per_s": runs * count / took,
        "runs_per_s": runs / took,
        "cpu_us": cpu / (runs * count) * 1e6,
        "took_s": took,
    }


async def steps(runs: int, count: int) -> dict[str, Any]:
    """Workflows of `count` coroutine steps each, 64 in flight, started directly (faster than through a queue)."""
    await in_turn(1)
    return await _throughput(runs, count, in_turn)


async def server_steps(runs: int, count: int) -> dict[str, Any]:
    """The same on a server, with what it cost there."""
    from bench.sides.server import Spent

    assert SERVER is not None
    await in_turn(1)
    spent = Spent(SERVER)
    await _throughput(runs, count, in_turn)
    return {"units": runs * count, **spent.read()}


async def plain_steps(runs: int, count: int) -> dict[str, Any]:
    """The same with plain functions, in threads."""
    return await _throughput(runs, count, lambda count: asyncio.to_thread(plainly_in_turn, count))


async def many(items: int) -> dict[str, Any]:
    """One workflow with a step an item."""
    return await _throughput(1, items, all_items)


async def sequential(count: int) -> dict[str, Any]:
    """Time from step to step of one workflow."""
    await in_turn(count)
    took = [(b - a) / 1000 for a, b in itertools.pairwise(AT)]
    return {f"p{p}": statistics.quantiles(took, n=100)[p - 1] for p in (50, 99)}


async def replay(count: int) -> dict[str, Any]:
    """Replay a workflow: fork it after its last step."""
    handle = await DBOS.start_workflow_async(in_turn, count)
    await handle.get_result()
    forked = await DBOS.fork_workflow_async(handle.workflow_id, count + 1)
    began = time.perf_counter()
    await forked.get_result()
    return {"us": (time.perf_counter() - began) / count * 1e6}


@DBOS.workflow()
async def stamp(number: int) -> int:
    """Tell when it ran."""
    return time.time_ns()


@DBOS.step()
async def now_ns(x: int) -> int:
    """Return the instant at which the step ran."""
    return time.time_ns()


@DBOS.workflow()
async def nap(number: int) -> int:
    """Return how late a step begins (ns) after a durable sleep of half a second."""
    began = await now_ns(number)
    await DBOS.sleep_async(0.5)
    return await now_ns(number) - began - 500_000_000


async def wakes(count: int) -> dict[str, Any]:
    """Let workflows sleep one by one; tell how late each went on."""
    late = [await (await DBOS.start_workflow_async(nap, number)).get_result() for number in range(count + 1)]
    return {"ms": [ns / 1e6 for ns in late[1:]]}


async def notice(count: int) -> dict[str, Any]:
    """Enqueue from here while another process works; tell how long after the commit each one began."""
    client = DBOSClient(system_database_url=URL)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.sides.dbos_side", "serve")
    took = []
    try:
        await asyncio.sleep(4)
        for n in range(count):
            await asyncio.sleep(0.1 + n % 7 * 0.13)
            options = EnqueueOptions(workflow_name="stamp", queue_name=NOTICED, app_version="1")
            handle = await asyncio.to_thread(client.enqueue, options, n)
            committed = time.time_ns()
            result = await asyncio.wait_for(asyncio.to_thread(handle.get_result), 30)
            took.append((result - committed) / 1e6)
    finally:
        worker.kill()
        await worker.wait()
    return {"ms": statistics.median(took)}


async def result_same_process(count: int) -> dict[str, Any]:
    """Start one-step workflows one by one, and await each result."""

    async def once(number: int) -> int:
        handle = await DBOS.start_workflow_async(one_step, number)
        return int(await handle.get_result())

    return {"ms": await _timed(count, once)}


async def result_other_process(count: int) -> dict[str, Any]:
    """The same by a queue while another process works."""
    client = DBOSClient(system_database_url=URL)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.sides.dbos_side", "serve")

    async def once(number: int) -> int:
        options = EnqueueOptions(workflow_name="one_step", queue_name=NOTICED, app_version="1")
        handle: Any = await asyncio.to_thread(client.enqueue, options, number)
        return int(await asyncio.wait_for(asyncio.to_thread(handle.get_result), 30))

    try:
        return {"ms": await _timed(count, once)}
    finally:
        worker.kill()
        await worker.wait()


async def _timed(count: int, once: Any) -> list[float]:
    took = []
    for number in range(count + 3):
        began = time.perf_counter()
        if await once(number) != number + 1:
            raise RuntimeError("the workflow has another result than its step")
        took.append((time.perf_counter() - began) * 1000)
    return took[3:]


async def serve() -> dict[str, Any]:
    """Work until killed."""
    await asyncio.to_thread(DBOS.register_queue, NOTICED)
    await asyncio.sleep(3600)
    return {}


async def load(count: int) -> dict[str, Any]:
    """Start workflows that will be under way when this process is killed; for `resume`."""
    for number in range(count):
        await DBOS.start_workflow_async(gated, number)
    while True:
        await asyncio.sleep(0.1)
        if len(AT) >= count:
            await asyncio.sleep(1)
            print("ready", flush=True)
            await asyncio.sleep(3600)


async def resume(count: int) -> dict[str, Any]:
    """Continue them: launching recovers what this executor had; counts from before the launch."""
    while True:
        done = await asyncio.to_thread(DBOS.list_workflows, status="SUCCESS", load_input=False, load_output=False)
        if len(done) >= count:
            return {"took_s": time.perf_counter() - BEGAN}
        await asyncio.sleep(0.1)


BEGAN = time.perf_counter()


async def main() -> None:
    """Launch inside the loop, as DBOS wants it for coroutines."""
    DBOS.launch()
    print(json.dumps(await globals()[sys.argv[1]](*map(int, sys.argv[2:]))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())

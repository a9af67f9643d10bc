"""`python -m bench.sides.ours WHAT NUMBERS...`: one measurement of ours; prints JSON."""

# ruff: noqa: ASYNC110 - what is waited for happens in another process or thread

import asyncio
import itertools
import json
import resource
import signal
import statistics
import sys
import time
from typing import Any

from bench.sides.bare import Bare
from bench.sides.engine import CLOCK, start, store_path, submit_all, until_finished, working
from bench.sides.scraping import scraped
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import build_program
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.runs import ClaimedRun, ClaimRuns, StartRun
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.store import SqliteStore


async def _throughput(name: str, runs: int, count: int, **how: Any) -> dict[str, Any]:
    async with working(**how) as engine:
        await submit_all(engine.store, [start(name, count=1)])
        await until_finished(engine.store, 1)
        began, used = time.perf_counter(), time.process_time()
        await submit_all(engine.store, [start(name, count=count) for _ in range(runs)])
        await until_finished(engine.store, runs + 1)
        took, cpu = time.perf_counter() - began, time.process_time() - used
    return {
        "per_s": runs * count / took,
        "runs_per_s": runs / took,
        "cpu_us": cpu / (runs * count) * 1e6,
        "took_s": took,
    }


async def steps(runs: int, count: int) -> dict[str, Any]:
    """Runs of `count` coroutine steps each, 64 in flight, starts included."""
    return await _throughput("steps", runs, count)


async def steps_unlogged(runs: int, count: int) -> dict[str, Any]:
    """The same with logs off."""
    return await _throughput("steps", runs, count, max_lines=0)


async def steps_logging(runs: int, count: int) -> dict[str, Any]:
    """The same with ten lines a step."""
    return await _throughput("logging_steps", runs, count)


async def steps_scraped(runs: int, count: int) -> dict[str, Any]:
    """The same while all metrics are read each second."""
    with scraped() as took_s:
        return {**await _throughput("steps", runs, count), "scrapes_s": took_s}


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
        await submit_all(engine.store, [start("steps", count=count)])
        await until_finished(engine.store, 1)
    bare_us += bare.commit(count // 2)
    automations.add = adding
    duration_us = [(b - a) / 1000 for a, b in itertools.pairwise(at)]
    return {
        **{f"p{p}": _percentile(duration_us, p) for p in (50, 99)},
        **{f"bare_p{p}": _percentile(bare_us, p) for p in (50, 99)},
    }


async def replay(count: int) -> dict[str, Any]:
    """Continue a run with so many saved steps: reading its history, then calling its function again."""
    async with working(concurrency=1) as engine:
        store = engine.store
        command = start("steps", count=count)
        claimed = await _claim_elsewhere(engine, command)
        await submit_all(store, _saved_steps(claimed, count))
        began = time.perf_counter()
        (history,) = WorkerReads(store.reader).histories([claimed.id])
        read_s = time.perf_counter() - began
        program = build_program(claimed, engine.registry, claimed.input)
        began = time.perf_counter()
        body = Body(claimed.id, claimed.generation, program.main, history.outcomes, claimed.started_at)
        body.begin()
        replay_s = time.perf_counter() - began
        if not body.done:
            raise RuntimeError("the replay did not come to its end")
    return {"read_s": read_s, "replay_s": replay_s, "us": (read_s + replay_s) / count * 1e6}


async def _claim_elsewhere(engine: WorkerRuntime, command: StartRun) -> ClaimedRun:
    """Own a run without running it."""
    engine.worker.draining = True
    await submit_all(engine.store, [command])
    return (await engine.apply(ClaimRuns("bench", 1))).runs[0]


def _saved_steps(run: ClaimedRun, count: int) -> list[SaveOutcome]:
    """Return what a worker would have saved of the workflow `steps`."""
    return [
        SaveOutcome(
            run=run.id,
            claim=run.claim,
            rank=n,
            ident=f"add#{n}",
            name="add",
            kind=OutcomeKind.STEP,
            state=OutcomeState.SUCCEEDED,
            request_number=n,
            attempt=1,
            generation=0,
            started_at=run.started_at,
            at=run.started_at + n,
            duration_us=5,
            automation=run.automation,
            input=encode({"x": n - 1}),
            output=encode(n),
        )
        for n in range(1, count + 1)
    ]


async def wait_many(count: int) -> dict[str, Any]:
    """Leave so many waiting runs behind: a tenth of them suspended in a body, the rest due in a month; then look for due ones."""
    suspended = count // 10
    later = StartOptions(due_at=CLOCK.now() + 30 * 86_400_000)
    began = time.perf_counter()
    async with working() as engine:
        store = engine.store
        for first in range(0, count - suspended, 10_000):
            some = range(first, min(first + 10_000, count - suspended))
            await submit_all(store, [start("sleeper", options=later, number=n) for n in some])
        await submit_all(store, [start("sleeper", number=n) for n in range(suspended)])
        while store.reader.read_text("select count(*) from runs where state = 'waiting'")[0][0] < suspended:
            await asyncio.sleep(1.0)  # counting a million rows must not be what is measured
        made_s = time.perf_counter() - began
        scans = []
        for n in range(50):
            began = time.perf_counter()
            await engine.apply(ClaimRuns(f"bench:{n}", 64))
            scans.append((time.perf_counter() - began) * 1000)
    return {"made_s": made_s, "scan_ms": statistics.median(scans), "bytes": store_path().stat().st_size}


async def idle() -> dict[str, Any]:
    """Work beside what is in the store for a moment; tell the memory of this process."""
    async with working():
        await asyncio.sleep(3)
        return {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


async def start_gated(count: int) -> dict[str, Any]:
    """Start runs for a worker elsewhere."""
    store = SqliteStore(store_path(), clock=CLOCK, deliver=_in_loop(asyncio.get_running_loop()))
    store.open()
    await submit_all(store, [start("gated", number=n) for n in range(count)])
    store.close()
    return {}


async def until_under_way(count: int) -> dict[str, Any]:
    """Wait until the first step of so many runs is saved, and a moment more."""
    await _until("select count(*) from journal", count)
    await asyncio.sleep(1.5)
    return {}


async def until_done(count: int) -> dict[str, Any]:
    """Wait until so many runs succeeded."""
    await _until("select count(*) from runs where finished_at is not null and state = 'succeeded'", count)
    return {}


async def _until(query: str, count: int) -> None:
    reader = SqliteReader(store_path())
    while reader.read_text(query)[0][0] < count:
        await asyncio.sleep(0.05)
    reader.close()


def _in_loop(loop: asyncio.AbstractEventLoop) -> Any:
    def answer(answers: list[Any]) -> None:
        for on_done, result in answers:
            on_done(result)

    return lambda answers: loop.call_soon_threadsafe(answer, answers)


async def notice(count: int) -> dict[str, Any]:
    """Start runs from here while another process works; tell how long after the commit each step began."""
    store = SqliteStore(store_path(), clock=CLOCK)
    store.open()
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.sides.ours", "serve")
    try:
        while not store.reader.read_text("select 1 from automations where name = 'stamp'"):
            await asyncio.sleep(0.05)
        took = []
        for n in range(count):
            await asyncio.sleep(0.1 + n % 7 * 0.013)  # not in step with whatever the other one does
            command = start("stamp", number=n)
            await asyncio.to_thread(store.apply, command)
            committed = time.time_ns()
            while not (
                row := store.reader.read_text(
                    "select result from runs where id = ? and state = 'succeeded'", (command.id,)
                )
            ):
                await asyncio.sleep(0.005)
            took.append((int(row[0][0]) - committed) / 1e6)
    finally:
        worker.terminate()
        await worker.wait()
        store.close()
    return {"ms": statistics.median(took), "worst_ms": max(took)}


async def serve() -> dict[str, Any]:
    """Work until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with working():
        await stop.wait()
    return {}


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))

"""Our engine in this process's loop, as `App.running()` has it, with what a measurement needs beside it."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import bench.sides.automations  # noqa: F401  the registry knows them from here on
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import make_id
from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES
from mainspring.domain.values.codec import encode
from mainspring.engine.definitions.registry import current_registry
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.runs import StartRun
from mainspring.store.process_store import ProcessStore

CLOCK = SystemClock()


def store_path() -> Path:
    """Return the file in which this measurement keeps its store."""
    return Path(os.environ["BENCH_FOLDER"]) / "state.db"


def store_place() -> str | Path:
    """Return where this measurement keeps its store: the server that was named, or a file."""
    return os.environ.get("BENCH_STORE") or store_path()


@contextlib.asynccontextmanager
async def working(concurrency: int = 64, max_lines: int = DEFAULT_MAX_LINES) -> AsyncIterator[WorkerRuntime]:
    """A worker in this loop."""
    settings = WorkerOptions(concurrency=concurrency, max_lines=max_lines)
    engine = WorkerRuntime(store_place(), current_registry(), settings=settings, schedules=False)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def start(name: str, options: StartOptions | None = None, **arguments: Any) -> StartRun:
    """Return the command that starts a run."""
    definition = current_registry().get(name).definition
    now = CLOCK.now()
    run = make_id("r", now, CLOCK.random_bits(80))
    return build_start_command(
        definition, encode(arguments), run=run, now_at=now, trigger="bench", options=options or StartOptions()
    )


async def submit_all(store: ProcessStore, commands: Sequence[StoreCommand[Any]]) -> None:
    """Submit commands, and wait until all are committed."""
    loop = asyncio.get_running_loop()
    all_done = loop.create_future()
    left = len(commands)

    def answered(result: Any) -> None:
        nonlocal left
        left -= 1
        if isinstance(result, Exception):
            all_done.set_exception(result)
        elif not left:
            all_done.set_result(None)

    for command in commands:
        store.submit(command, answered)
    await all_done


def finished(store: ProcessStore) -> int:
    """Count the runs that succeeded."""
    return int(
        store.reader.read_text("select count(*) from runs where finished_at is not null and state = 'succeeded'")[0][0]
    )


def any_unfinished(store: ProcessStore) -> bool:
    """Tell whether a run has not ended: one look into an index, so that asking often is not what is measured."""
    return bool(store.reader.read_text("select 1 from runs where finished_at is null limit 1"))


async def until_ended(store: ProcessStore) -> None:
    """Wait until no run is unfinished."""
    while any_unfinished(store):  # noqa: ASYNC110 - it happens in another thread or process
        await asyncio.sleep(0.01)


async def until_finished(store: ProcessStore, count: int, within: float = 600) -> None:
    """Wait until so many runs succeeded."""
    until = time.perf_counter() + within
    while any_unfinished(store) or finished(store) < count:
        if time.perf_counter() > until:
            raise TimeoutError(f"{finished(store)} of {count} runs succeeded in {within:.0f} s")
        await asyncio.sleep(0.01)

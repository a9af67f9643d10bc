"""A step that hangs, found by its worker on a clock that the test moves: with where it stands, until it gives a sign or ends."""

import asyncio
import threading
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker import worker
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.testing import FakeClock
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio

SETTINGS = WorkerOptions(stalled_ms=60_000)


def hanging():
    """A workflow whose three steps hang: in the loop, in a thread, and one that a time-out ends."""
    made, go, sign = Registry(), threading.Event(), asyncio.Event()

    async def answers() -> None:
        while not go.is_set():
            await sign.wait()
            sign.clear()
            ms.progress(1, 2)

    def blocks() -> None:
        go.wait(60)

    with made:

        @ms.workflow
        async def shop(run: ms.Run) -> None:
            ended = run.options(timeout="1d", isolate="thread", name="ended").step(blocks)
            await asyncio.gather(run.step(answers), run.step(blocks), ended)

    return made, shop, go, sign


async def silent(engine, run, span=timedelta(minutes=1)):
    """What is on record of a run after a look; of each step the function that it stands in."""
    await engine.pass_time(span)
    engine.working.worker.stalled.check()
    await engine.change(0.01)
    return {stall.step: stall for stall in engine.history(run).stalls}


async def test_step_that_hangs_is_on_record_until_it_gives_a_sign_or_ends(tmp_path):
    """Each with its own stack; not what a time-out ends."""
    registry, shop, go, sign = hanging()
    async with World(tmp_path, FakeClock()).engine(registry, SETTINGS) as engine:
        run = await engine.start(shop)
        await engine.when(lambda: engine.working.worker.attempts.live_count, lambda count: count == 3)
        assert await silent(engine, run, timedelta(seconds=59)) == {}
        await silent(engine, run, timedelta(seconds=1))
        found = await engine.when(lambda: engine.history(run).stalls, lambda stalls: len(stalls) == 2)
        stacks = {stall.step: " ".join(stall.stack) for stall in found}
        assert stacks.keys() == {"answers", "blocks"}
        assert all(f".{name}" in stack for name, stack in stacks.items())
        sign.set()
        await asyncio.sleep(0)
        await silent(engine, run, timedelta(seconds=1))
        await engine.when(
            lambda: engine.history(run).stalls, lambda stalls: [stall.step for stall in stalls] == ["blocks"]
        )
        go.set()
        sign.set()
        await engine.until(run, RunState.SUCCEEDED)
        assert engine.history(run).stalls == []


async def test_worker_finds_hanging_steps_by_itself(tmp_path, monkeypatch):
    """On the clock of the machine, in its own rounds."""
    monkeypatch.setattr(worker, "_ROUND_S", 0.01)
    registry, shop, go, sign = hanging()
    async with World(tmp_path).engine(registry, WorkerOptions(stalled_ms=1)) as engine:
        run = await engine.start(shop)
        found = await engine.when(lambda: engine.history(run).stalls, lambda stalls: len(stalls) == 2)
        assert {stall.step for stall in found} == {"answers", "blocks"}
        go.set()
        sign.set()
        await engine.until(run, RunState.SUCCEEDED)


async def test_worker_that_dies_while_a_step_hangs_leaves_nothing_on_record(tmp_path):
    """Anyone who continues restarts."""
    registry, shop, go, sign = hanging()
    world = World(tmp_path, FakeClock())
    async with world.engine(registry, SETTINGS) as engine:
        run = await engine.start(shop)
        await engine.when(lambda: engine.working.worker.attempts.live_count, lambda count: count == 3)
        await silent(engine, run)
        await engine.when(lambda: engine.history(run).stalls, lambda stalls: len(stalls) == 2)
        session = engine.working.store.session
        await engine.die()
        async with world.engine(registry, SETTINGS) as successor:
            await world.declare_dead(successor, session)
            assert successor.history(run).stalls == []
            go.set()
            sign.set()
            await successor.until(run, RunState.SUCCEEDED)
            assert successor.working.store.reader.read_text("select count(*) from stalled_attempts", ()) == [(0,)]


async def test_script_without_a_timeout_is_reported_by_its_processes(tmp_path):
    """One that keeps a time-out itself is not looked at."""
    with Registry() as registry:
        for name, options in (("quiet", {}), ("ended", {"timeout": "1d"})):
            ms.script(name, ["sh", "-c", f"touch {tmp_path}/{name}; sleep 60; true"], **options)
    async with World(tmp_path, FakeClock()).engine(registry, SETTINGS) as engine:
        runs = [await engine.app.start(name) for name in ("quiet", "ended")]
        await engine.when(lambda: {path.name for path in tmp_path.iterdir()}, lambda names: names >= {"quiet", "ended"})
        engine.working.worker._fast_path_runs.fall_back_all()
        await silent(engine, runs[0])
        (stall,) = await engine.when(lambda: engine.history(runs[0]).stalls, bool)
        assert stall.stack[0].startswith("sh (pid ")
        assert engine.history(runs[1]).stalls == []
        for run in runs:
            await engine.app.cancel(run.id)
            await engine.until(run, RunState.CANCELLED)

"""A worker's death is on the run that it had: in `runs show`, `explain`, on the page, in the API and in the run's log."""

import asyncio
import os
import socket

import pytest

import mainspring as ms
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs.steps import list_step_lines
from mainspring.insight.runs.stored_explanation import explain_run
from mainspring.service.runs.log_lines import read_lines as written_in
from mainspring.store.read.runs.logs import parts_of
from mainspring.store.read.runs.run_views import outline
from mainspring.web.dashboard.runs.run_summary import build_summary
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store")


async def test_worker_death_is_reported_where_the_run_is_displayed(place):
    """The worker, its host, when, how it was noticed, who continued the run after how long."""
    blocker = asyncio.Event()
    with Registry() as registry:

        async def work() -> int:
            await blocker.wait()
            return 1

        @ms.workflow
        async def hold(run: ms.Run) -> int:
            await run.step(work)
            return await run.receive("end", int)

    world = World(place)
    async with world.engine(registry) as engine:
        handle = await engine.start(hold)
        await engine.until(handle, RunState.RUNNING)
        await engine.when(lambda: engine.working.worker.drivers, bool)
        dead = engine.working.store.session
        await engine.die()
    blocker.set()
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, dead)
        await engine.until(handle.id, RunState.WAITING)
        reader, now, successor = engine.working.store.reader, engine.app.clock.now(), engine.working.store.session
        history = outline(reader, handle.id)
        explanation = explain_run(reader, history, now, "UTC")
        (sentence,) = [line for line in explanation.what if "died" in line]
        for part in (
            f"app process {os.getpid()} on {socket.gethostname()} (session {dead}) died, last heard of at",
            "found dead at",
            "(its process was gone, noticed by app process",
            f"(session {successor}) continued it after",
        ):
            assert part in sentence
        assert sentence in build_summary(history, explanation, list_step_lines(history)).what
        await engine.app.signal(handle.id, "end", 7)
        await engine.until(handle.id, RunState.SUCCEEDED)

        def texts():
            return [line.text for line in written_in(parts_of(reader, handle.id), RowUnsealer(engine.app.sealing))]

        found = await engine.when(texts, lambda lines: any("continued after" in line for line in lines))
        assert any(f"(session {dead}) died" in line for line in found)

"""Which way real runs went, as it is reported: steps side by side, an error that is caught, one that is undone, one that is unhandled."""

import asyncio

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs.run_paths import build_run_paths
from mainspring.store.read.runs.run_paths import read_run_paths
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


async def test_ways_of_real_runs_are_those_of_their_code(tmp_path):
    """A sleep is no step, a map is one; the failure of a step and that of a child end their runs."""
    with Registry() as registry:

        async def give(n: int) -> int:
            return n

        async def take_back(n: int, result: int | None = None) -> None: ...

        async def fall(n: int) -> int:
            raise ms.Permanent("declined")

        async def repair(n: int) -> int:
            return n

        @ms.workflow
        async def ship(run: ms.Run) -> None:
            await run.step(fall, 1)

        @ms.workflow
        async def order(run: ms.Run, way: str) -> None:
            await run.options(undo=take_back).step(give, 1)
            await asyncio.sleep(0.01)
            if way == "child":
                await run.child(ship)
            if way == "step":
                await asyncio.gather(run.map(repair, [1, 2, 3]), run.options(name="charge").step(fall, 1))
            if way == "undone":
                await run.rollback("refused")
            try:
                await run.step(fall, 2)
            except ms.StepFailed:
                await run.step(repair, 2)

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        for way in ("good", "undone", "step", "child"):
            run = await engine.start(order, way)
            await engine.when(lambda run=run: engine.view(run), lambda view: view.finished_at is not None)
        found = build_run_paths("order", read_run_paths(engine.working.store.reader, "order"), bool)
    edges = {(edge.step, edge.then): (edge.runs, edge.failed, edge.is_missing) for edge in found.edges}
    assert edges["give", "fall"] == (1, False, False)
    assert edges["fall", "repair"] == (1, True, False)
    assert edges["repair", "succeeded"] == (1, False, False)
    assert edges["give", "undo give"] == (1, False, False)
    assert edges["undo give", "failed"] == (1, False, False)
    assert edges["charge", "failed"] == (1, True, True)
    assert edges["child ship", "failed"] == (1, True, True)
    assert len(found.missing) == 2

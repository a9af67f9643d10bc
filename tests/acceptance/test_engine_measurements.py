"""What steps measure is committed with their outcomes, and a run has the sum, whatever kind of step it is."""

from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.attempts.step_context import NotInStepError
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.store.read.runs.run_views import run_history
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import Engine, World

pytestmark = pytest.mark.asyncio
NO_SENDER: Any = {"schedules": False}


@pytest.fixture(params=["file", "server"])
def place(request, tmp_path):
    """Where the store is: all of this holds for both databases."""
    return tmp_path if request.param == "file" else request.getfixturevalue("lent_store")


def numbers(engine: Engine, run: ms.Handle) -> dict[str, float]:
    return run_history(engine.working.store.reader, run.id).numbers


async def test_every_kind_of_step_measures(place):
    """A fast task, steps in loop, thread and child process, items of a map, and the steps of a child add up."""
    with Registry() as registry:

        @ms.task
        async def single() -> None:
            ms.measure("rows", 5)
            ms.measure("cost", 0.25)

        async def in_loop() -> None:
            ms.measure("rows", 1)

        @ms.workflow
        async def inner(run: ms.Run) -> None:
            await run.step(in_loop)

        @ms.workflow
        async def all_kinds(run: ms.Run) -> None:
            await run.step(in_loop)
            await run.step(engine_steps.measure_rows, 10)
            await run.options(isolate="process").step(engine_steps.measure_rows, 100)
            await run.map(engine_steps.measure_rows, [1_000, 2_000])
            await run.map(engine_steps.measure_rows, [10_000, 20_000], spread=True)
            await run.child(inner)

    async with World(place).engine(registry, **NO_SENDER) as engine:
        task = await engine.start(single)
        await task.result()
        assert numbers(engine, task) == {"cost": 0.25, "rows": 5.0}
        run = await engine.start(all_kinds)
        await run.result()
        assert numbers(engine, run) == {"rows": 33_112.0}


async def test_failed_attempt_measures_nothing(place):
    """Of three attempts the last one counts; a step that fails for good has no number."""
    tries: list[int] = []
    with Registry() as registry:

        @ms.task(retry=ms.Retry(attempts=3, initial="1ms"))
        async def third_time() -> None:
            tries.append(1)
            ms.measure("rows", len(tries))
            if len(tries) < 3:
                raise ms.Transient("not yet")

        @ms.task
        async def never() -> None:
            ms.measure("rows", 1)
            raise ms.Permanent("no")

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(third_time)
        await run.result()
        assert numbers(engine, run) == {"rows": 3.0}
        bad = await engine.start(never)
        await engine.until(bad, RunState.FAILED)
        assert numbers(engine, bad) == {}


async def test_number_of_a_step_that_runs_again_is_replaced(place):
    """In a new generation its number takes the place of the old one: nothing is counted twice."""
    with Registry() as registry:
        values = [4, 6]

        async def load() -> None:
            ms.measure("rows", values.pop(0))

        @ms.workflow
        async def loads(run: ms.Run) -> None:
            await run.step(load)
            if values:
                raise ms.Permanent("again")

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(loads)
        await engine.until(run, RunState.FAILED)
        assert numbers(engine, run) == {"rows": 4.0}
        await engine.act(run_recovery.retry_from, run.id, "load#1")
        await engine.until(run, RunState.SUCCEEDED)
        assert numbers(engine, run) == {"rows": 6.0}


async def test_body_and_foreign_code_are_refused(tmp_path):
    """A body runs again and again, and code outside of a run has no commit; the error shows what to write."""
    messages: list[str] = []
    with Registry() as registry:

        @ms.workflow
        async def body(run: ms.Run) -> None:
            with pytest.raises(NotInStepError) as caught:
                ms.measure("rows", 1)
            messages.append(str(caught.value))

    async with World(tmp_path).engine(registry, **NO_SENDER) as engine:
        await (await engine.start(body)).result()
        assert "run.step" in messages[0]
        with pytest.raises(NotInStepError, match=r"ms\.measure\(\) was called outside a step"):
            ms.measure("rows", 1)

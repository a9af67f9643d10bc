"""What is shown of a run with more steps than one screen holds is true of it: nothing of a run that is over is still to come."""

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs.steps import list_step_lines
from mainspring.insight.runs.stored_explanation import explain_run
from mainspring.service.runs import run_recovery
from mainspring.store.read.runs.run_views import outline
from mainspring.web.dashboard.runs.run import list_step_rows
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store")


def states(history):
    return {line.state for line in list_step_lines(history) if line.superseded is None}


async def test_finished_run_of_many_items_displays_no_step_retrying(place):
    """1,200 items, the first 40 of them at a second attempt: on the page, in the explanation and in the whole story all are done."""
    with Registry() as registry:

        @ms.step(retry=ms.Retry(attempts=2, initial="1ms"))
        async def clean(n: int) -> int:
            if n < 40 and ms.attempt() == 1:
                raise ms.Transient("not yet")
            return n

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return len(await run.map(clean, range(1_200), concurrency=64))

    async with World(place).engine(registry) as engine:
        handle = await engine.start(work)
        assert await handle.result(60) == 1_200
        now = engine.app.clock.now()
        seen = outline(engine.working.store.reader, handle.id)
        assert states(seen) == states(engine.history(handle)) == {"succeeded"}
        rows = list_step_rows([line for line in list_step_lines(seen) if line.superseded is None], now, {})
        assert {row["line"].state for row in rows} == {"succeeded"}
        assert "retr" not in " ".join(explain_run(engine.working.store.reader, seen, now, "UTC").what)
        retried = [line for line in list_step_lines(engine.history(handle)) if len(line.tries) == 2]
        assert len(retried) == 40


async def test_attempts_of_a_generation_that_counts_no_more_belong_to_its_outcome(place):
    """A run that was continued from a step shows none of the old attempts as one after which another comes."""
    with Registry() as registry:
        ready = []

        @ms.step(retry=ms.Retry(attempts=2, initial="1ms"))
        async def first() -> int:
            if ms.attempt() == 1:
                raise ms.Transient("not yet")
            return 1

        async def second() -> int:
            if not ready:
                raise ms.Permanent("no")
            return 2

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return await run.step(first) + await run.step(second)

    async with World(place).engine(registry) as engine:
        handle = await engine.start(work)
        await engine.until(handle, RunState.FAILED)
        ready.append(True)
        await engine.act(run_recovery.retry_from, handle.id, "first")
        await engine.until(handle, RunState.SUCCEEDED)
        for history in (engine.history(handle), outline(engine.working.store.reader, handle.id)):
            assert states(history) == {"succeeded"}
            old = [line for line in list_step_lines(history) if line.superseded is not None]
            assert {(line.name, line.state, len(line.tries)) for line in old} == {
                ("first", "succeeded", 2),
                ("second", "failed", 1),
            }


async def test_step_that_was_to_be_tried_again_is_not_retrying_once_its_run_was_cancelled(place):
    """The run is over: no other attempt follows."""
    with Registry() as registry:

        @ms.step(retry=ms.Retry(attempts=5, initial="1h", max="2h"))
        async def flaky() -> None:
            raise ms.Transient("not yet")

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.step(flaky)

    async with World(place).engine(registry) as engine:
        handle = await engine.start(work)
        await engine.until(handle, RunState.RETRYING)
        await engine.app.cancel(handle.id)
        await engine.until(handle, RunState.CANCELLED)
        lines = list_step_lines(engine.history(handle))
        assert [line.state for line in lines if line.kind == "step"] == ["cancelled"]

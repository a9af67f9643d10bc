"""Cancelling: one fact with a rank, clean-up under `run.shield()`, children by their close policy."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


async def note(text: str) -> str:
    return text


async def test_cancel_is_one_outcome_of_the_journal(tmp_path):
    """It is handed over once, with a rank, like everything else."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> None:
            await run.receive("never")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id, "not needed")
        await engine.until(run, RunState.CANCELLED)
        kinds = [o.kind for o in engine.history(run).outcomes]
    assert kinds.count(OutcomeKind.CANCEL) == 1


async def test_cleanup_under_shield_continues_when_cancelled(tmp_path):
    """Steps asked for in the shielded part run; what is asked for outside of it is refused."""
    done: list[str] = []

    async def tidy(name: str) -> None:
        done.append(name)

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            try:
                await run.receive("never")
            finally:
                async with run.shield():
                    await run.step(tidy, "shielded")
                await run.step(tidy, "bare")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert done == ["shielded"]


async def test_body_in_its_shielded_part_is_cancelled_when_it_leaves_it(tmp_path):
    """The shield delays a cancel, it does not swallow it."""
    inside = asyncio.Event()
    go = asyncio.Event()
    done: list[str] = []

    async def slow() -> None:
        inside.set()
        await go.wait()
        done.append("slow")

    async def after() -> None:
        done.append("after")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            async with run.shield():
                await run.step(slow)
            await run.step(after)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await inside.wait()
        await engine.app.cancel(run.id)
        await engine.when(
            lambda: [o.kind for o in engine.history(run).outcomes], lambda kinds: OutcomeKind.CANCEL in kinds
        )
        go.set()
        await engine.until(run, RunState.CANCELLED)
    assert done == ["slow"]


async def test_body_that_swallows_a_cancel_keeps_its_result(tmp_path):
    """A workflow may decide that it is done: CancelledError is an ordinary exception to it."""
    with Registry() as registry:

        @ms.workflow
        async def stubborn(run: ms.Run) -> str:
            try:
                await run.receive("never")
            except asyncio.CancelledError:
                return "enough"
            return "never"

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(stubborn)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id)
        assert await run.result(60) == "enough"


async def test_cancel_stops_the_attempt_that_is_under_way(tmp_path):
    """The step's own coroutine is cancelled, not left running."""
    entered, stopped = asyncio.Event(), asyncio.Event()

    async def long() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.step(long)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await entered.wait()
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
        assert await asyncio.wait_for(
            stopped.wait(), 60
        )  # the end of the run is committed while the code of the attempt ends


async def test_queued_run_that_no_one_has_ends_at_once(tmp_path):
    """A run with a due time far away is cancelled without a worker."""
    from datetime import UTC, datetime, timedelta

    with Registry() as registry:

        @ms.workflow
        async def later(run: ms.Run) -> None:
            await run.step(note, "x")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.app.options(at=datetime.now(UTC) + timedelta(days=1)).start(later)
        assert await run.status() is RunState.QUEUED
        await engine.app.cancel(run.id)
        assert await run.status() is RunState.CANCELLED
        assert engine.history(run).outcomes == []


async def test_cancel_of_an_ended_run_is_refused(tmp_path):
    """It says that the run has ended."""
    with Registry() as registry:

        @ms.workflow
        async def quick(run: ms.Run) -> None:
            await run.step(note, "x")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(quick)
        await run.result(60)
        with pytest.raises(ConflictError, match="succeeded"):
            await engine.app.cancel(run.id)

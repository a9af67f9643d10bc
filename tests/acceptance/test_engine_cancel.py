"""Cancelling: one fact with a rank, clean-up under `run.shield()`, children by their close policy."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, Engine, World

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


def cleaning(done: list[str], body: str) -> tuple[Registry, Any]:
    """Return a workflow that waits, and then cleans up with two steps between which it waits again."""

    async def tidy(name: str) -> None:
        done.append(name)

    async def clean(run: ms.Run) -> None:
        await run.step(tidy, "first")
        await run.receive("tidied", within="1h")
        await run.step(tidy, "second")

    with Registry() as registry:

        @ms.workflow(name="work", cleanup="5m")
        async def work(run: ms.Run) -> None:
            match body:
                case "finally":
                    try:
                        await run.receive("never")
                    finally:
                        await clean(run)
                case "shield":
                    try:
                        await run.receive("never")
                    finally:
                        async with run.shield():
                            await clean(run)
                case "task":
                    waiting = asyncio.create_task(wait_and_clean(run))
                    await run.receive("never")
                    await waiting

        async def wait_and_clean(run: ms.Run) -> None:
            try:
                await run.receive("never too")
            finally:
                await clean(run)

    return registry, work


async def cancel_until_it_cleans_up(engine: Engine, work: Any, done: list[str]) -> ms.Handle:
    """Start the workflow, cancel it while it waits, and return it when it waits in its cleanup."""
    run = await engine.start(work)
    await engine.until(run, RunState.WAITING)
    await engine.app.cancel(run.id)
    await engine.when(lambda: done, lambda names: names == ["first"])
    await engine.until(run, RunState.WAITING)
    return run


@pytest.mark.parametrize("body", ["finally", "shield", "task"])
async def test_cleanup_executes_its_steps_after_a_cancel(tmp_path, body):
    """A cancel is raised once, as in asyncio: steps and waits of a `finally` continue, also in a task, and after a reload."""
    done: list[str] = []
    registry, work = cleaning(done, body)
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await cancel_until_it_cleans_up(engine, work, done)
        await engine.app.signal(run.id, "tidied")
        await engine.until(run, RunState.CANCELLED)
    assert done == ["first", "second"]


@pytest.mark.parametrize("body", ["finally", "shield", "task"])
async def test_second_cancel_ends_the_cleanup(tmp_path, body):
    """It is recorded, it ends shielded code too, and no later step starts."""
    done: list[str] = []
    registry, work = cleaning(done, body)
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await cancel_until_it_cleans_up(engine, work, done)
        await engine.app.cancel(run.id, "it hangs")
        view = await engine.until(run, RunState.CANCELLED)
        kinds = [outcome.kind for outcome in engine.history(run).outcomes]
        explained = engine.explain(run)
    assert done == ["first"]
    assert kinds.count(OutcomeKind.CANCEL) == 2
    assert msgspec.json.decode(view.detail or b"{}")["cleanup"] == "cancel"
    assert "a second cancel ended its cleanup" in "".join(explained.what)


@pytest.mark.parametrize("body", ["finally", "task"])
async def test_cleanup_ends_after_its_time(tmp_path, body):
    """The time counts from the cancel, also while the run waits in no memory."""
    done: list[str] = []
    registry, work = cleaning(done, body)
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await cancel_until_it_cleans_up(engine, work, done)
        assert "its code cleans up until" in "".join(engine.explain(run).what)
        assert engine.view(run).due_at is not None
        await engine.pass_time(timedelta(minutes=4))
        await engine.pass_time(timedelta(minutes=2))
        view = await engine.until(run, RunState.CANCELLED)
        kinds = [outcome.kind for outcome in engine.history(run).outcomes]
        explained = engine.explain(run)
    assert done == ["first"]
    assert OutcomeKind.CLEANUP_TIMEOUT in kinds
    assert msgspec.json.decode(view.detail or b"{}")["cleanup"] == "cleanup_timeout"
    assert "its cleanup did not end within 5m" in "".join(explained.what)


async def test_shielded_cleanup_has_no_limit_of_its_own(tmp_path):
    """Its author says that it must complete: the time for cleanup ends it when it leaves the shield."""
    done: list[str] = []
    registry, work = cleaning(done, "shield")
    async with World(tmp_path, FakeClock(datetime(2026, 5, 1, tzinfo=UTC))).engine(registry, REPLAYING) as engine:
        run = await cancel_until_it_cleans_up(engine, work, done)
        await engine.pass_time(timedelta(minutes=6))
        await engine.when(
            lambda: [outcome.kind for outcome in engine.history(run).outcomes],
            lambda kinds: OutcomeKind.CLEANUP_TIMEOUT in kinds,
        )
        await engine.app.signal(run.id, "tidied")
        await engine.until(run, RunState.CANCELLED)
    assert done == ["first", "second"]


async def test_cancels_of_the_engine_are_no_second_cancel(tmp_path):
    """A person cancels a child and then its parent: the end of the parent lets the child clean up."""
    done: list[str] = []
    registry, work = cleaning(done, "finally")
    with registry:

        @ms.workflow
        async def parent(run: ms.Run) -> None:
            await run.child(work)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(parent)
        (child,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(child.id, RunState.WAITING)
        await engine.app.cancel(child.id)
        await engine.when(lambda: done, lambda names: names == ["first"])
        await engine.until(child.id, RunState.WAITING)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
        await engine.app.signal(child.id, "tidied")
        await engine.until(child.id, RunState.CANCELLED)
    assert done == ["first", "second"]


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

"""Undoing: which undo is called, in which order, with what, and what happens when one fails."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.booking import Ledger, booking
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


async def test_rollback_undoes_newest_first_with_arguments_and_result(tmp_path):
    """Each undo gets the step's own arguments and its result."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.rollback("changed my mind"))
    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(trip), RunState.FAILED)
    assert view.reason == FailureReason.ROLLED_BACK
    assert view.failure.message == "changed my mind"
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_rollback_also_undoes_a_step_that_was_under_way(tmp_path):
    """Its effect may be in the world; its result is not known."""
    ledger = Ledger()

    async def last(run):
        hanging = asyncio.ensure_future(run.options(undo=ledger.unbook, name="c").step(ledger.hang, "c"))
        await run.receive("go")
        await run.rollback("too slow")
        await hanging

    registry, trip = booking(ledger, last)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await ledger.entered.wait()
        await engine.app.signal(run.id, "go")
        await engine.until(run, RunState.FAILED)
    assert ledger.lines == ["a", "b", "c", "-c:None", "-b:B", "-a:A"]


async def test_rollback_skips_permanently_failed_steps(tmp_path):
    """A step that was refused did nothing that could be undone."""
    ledger = Ledger()

    async def last(run):
        try:
            await run.options(undo=ledger.unbook, name="c").step(ledger.refuse, "c")
        except ms.StepFailed:
            await run.rollback("c failed")

    registry, trip = booking(ledger, last)
    async with World(tmp_path).engine(registry) as engine:
        await engine.until(await engine.start(trip), RunState.FAILED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_failed_undo_needs_attention_and_continues_after_retry(tmp_path):
    """What could not be undone is a person's matter; continued, the other undos follow and none runs twice."""
    ledger = Ledger()

    ledger.broken = True
    registry, trip = booking(ledger, lambda run: run.rollback("no"))
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.UNDO_FAILED
        assert view.failure.message == "the ledger is closed"
        ledger.broken = False
        await engine.app.retry(run.id)
        await engine.until(run, RunState.FAILED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


@pytest.mark.parametrize("choice", ["keep", "undo"])
async def test_on_failure_chooses_whether_finished_steps_are_undone(tmp_path, choice):
    """Kept by default, undone with "undo"; the run fails with its own reason either way."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.step(ledger.refuse, "c"), on_failure=choice)
    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(trip), RunState.FAILED)
    assert view.reason == FailureReason.PERMANENT_ERROR
    assert ledger.lines == ["a", "b"] + (["-b:B", "-a:A"] if choice == "undo" else [])


@pytest.mark.parametrize("choice", ["keep", "undo"])
async def test_on_cancel_chooses_whether_finished_steps_are_undone(tmp_path, choice):
    """The run ends cancelled, not failed."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.receive("never"), on_cancel=choice)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b"] + (["-b:B", "-a:A"] if choice == "undo" else [])


@pytest.mark.parametrize("choice", ["keep", "undo"])
async def test_on_deadline_chooses_whether_finished_steps_are_undone(tmp_path, choice):
    """The reason stays the deadline."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.receive("never"), on_deadline=choice, deadline="1h")
    async with World(tmp_path, FakeClock(datetime(2026, 5, 1, tzinfo=UTC))).engine(registry, AT_ONCE) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.WAITING)
        await engine.pass_time(timedelta(hours=1))
        view = await engine.until(run, RunState.FAILED)
    assert view.reason == FailureReason.DEADLINE
    assert ledger.lines == ["a", "b"] + (["-b:B", "-a:A"] if choice == "undo" else [])


async def test_undo_half_done_continues_where_it_was_after_the_worker_died(tmp_path):
    """Undos are saved steps: the finished ones are not called again."""
    world, ledger = World(tmp_path), Ledger()
    stuck, stick = asyncio.Event(), True

    async def unbook(name: str, result: str | None = None) -> None:
        if name == "a" and stick:
            stuck.set()
            await asyncio.Event().wait()
        await ledger.unbook(name, result)

    with Registry() as registry:

        @ms.workflow
        async def trip(run: ms.Run) -> None:
            for name in ("a", "b"):
                await run.options(undo=unbook, name=name).step(ledger.book, name)
            await run.rollback("no")

    async with world.engine(registry) as engine:
        run = await engine.start(trip)
        await stuck.wait()
        session = engine.working.store.session
        await engine.die()
    stick = False
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.FAILED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_undo_retries_like_a_step(tmp_path):
    """A passing error of an undo is tried again by the automation's policy."""
    ledger, tries = Ledger(), []

    async def unbook(name: str) -> None:
        tries.append(ms.attempt())
        if len(tries) == 1:
            raise ms.Transient("busy")

    with Registry() as registry:

        @ms.workflow(retry={"attempts": 3, "initial": "10ms"})
        async def trip(run: ms.Run) -> None:
            await run.options(undo=unbook).step(ledger.book, "a")
            await run.rollback("no")

    async with World(tmp_path).engine(registry) as engine:
        await engine.until(await engine.start(trip), RunState.FAILED)
    assert tries == [1, 2]


async def test_undo_covers_steps_of_superseded_generations(tmp_path):
    """What an earlier generation did is still in the world, so a rollback takes it back as well."""
    ledger = Ledger()
    fail = True

    async def last(run):
        if fail:
            await run.step(ledger.refuse, "c")
        await run.rollback("no")

    registry, trip = booking(ledger, last)
    from mainspring.service.runs import run_recovery

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        fail = False
        await engine.act(run_recovery.retry_from, run.id, "b")
        await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.ROLLED_BACK)
    assert ledger.lines[:3] == ["a", "b", "b"]
    assert sorted(ledger.lines[3:]) == ["-a:A", "-b:B", "-b:B"]


async def test_cancel_of_a_run_that_needs_attention_undoes_what_it_did(tmp_path):
    """`on_cancel="undo"` holds for a halted run as for a waiting one."""
    ledger = Ledger()

    async def last(run):
        return await run.options(delivery="at_most_once", name="c").step(ledger.fail_somehow, "c")

    registry, trip = booking(ledger, last, on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]

"""A run that was rolled back and is continued: what was undone is not taken for done."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs import rollback_status
from mainspring.service.runs import run_recovery
from tests.acceptance.booking import Ledger, booking
from tests.acceptance.engine_world import Engine, World

pytestmark = pytest.mark.asyncio


class Keys:
    """What is done and undone, under which key; `broken` = the last step fails, `rolls` = it is rolled back before."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.undone: list[str] = []
        self.keys: dict[str, list[str]] = {}
        self.broken = self.rolls = True

    async def do(self, name: str) -> str:
        self.done.append(name)
        self.keys.setdefault(name, []).append(ms.idempotency_key())
        return name

    async def undo(self, name: str) -> None:
        self.undone.append(name)
        self.keys.setdefault(f"undo {name}", []).append(ms.idempotency_key())

    async def last(self) -> str:
        if self.broken:
            raise ms.Permanent("not yet")
        return "done"


def trip_of(keys: Keys, **options: Any) -> tuple[Registry, Any]:
    """A plain step, two that can be undone with a plain one between them, and the last one."""
    with Registry() as registry:

        @ms.workflow(**options)
        async def trip(run: ms.Run) -> str:
            await run.options(name="before").step(keys.do, "before")
            await run.options(name="a", undo=keys.undo).step(keys.do, "a")
            await run.options(name="between").step(keys.do, "between")
            await run.options(name="b", undo=keys.undo).step(keys.do, "b")
            if keys.broken and keys.rolls and not options:
                await run.rollback("not yet")
            return await run.step(keys.last)

    return registry, trip


async def again(engine: Engine, run: ms.Handle, act: Awaitable[Any]) -> Any:
    """Act, and return the run's row when it has failed once more."""
    before = engine.view(run).claim
    await act
    return await engine.when(
        lambda: engine.view(run), lambda view: view.claim > before and view.state is RunState.FAILED
    )


@pytest.mark.parametrize("options", [{}, {"on_failure": "undo"}])
async def test_retry_after_a_rollback_runs_again_from_the_first_step_that_was_undone(tmp_path, options):
    """Under new keys, in a new generation; what lies before it stays done."""
    keys = Keys()
    registry, trip = trip_of(keys, **options)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        keys.broken = False
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.SUCCEEDED)
        superseded = [o.name for o in engine.history(run).outcomes if o.superseded is not None]
    assert view.generation == 1
    assert keys.done == ["before", "a", "between", "b", "a", "between", "b"]
    assert keys.undone == ["b", "a"]
    assert [len(set(keys.keys[name])) for name in ("before", "a", "between", "b")] == [1, 2, 2, 2]
    assert {"a", "between", "b", "undo a", "undo b"} <= set(superseded)


async def test_each_generation_is_undone_once(tmp_path):
    """Rolled back, continued, rolled back again: no undo is called for what is undone already."""
    keys = Keys()
    registry, trip = trip_of(keys)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        for _ in range(2):
            await again(engine, run, engine.app.retry(run.id))
    assert keys.done == ["before", *["a", "between", "b"] * 3]
    assert keys.undone == ["b", "a"] * 3
    assert len(set(keys.keys["undo a"])) == 3


async def test_step_of_an_earlier_generation_that_still_counts_is_undone_once(tmp_path):
    """Continued from b, a counts on from the first generation; its undo is of the second."""
    keys = Keys()
    registry, trip = trip_of(keys, on_failure="keep")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        await again(engine, run, engine.act(run_recovery.retry_from, run.id, "b"))
        await engine.app.cancel(run.id, undo=True)
        await engine.until(run, RunState.CANCELLED)
    assert keys.undone == ["b", "a", "b"]
    assert keys.done == ["before", "a", "between", "b", "b"]


async def test_undo_in_a_later_generation_took_back_what_counted_then(tmp_path):
    """a is of generation 0 and was undone in generation 1: the rollback of generation 2 leaves it alone."""
    keys = Keys()
    keys.rolls = False
    registry, trip = trip_of(keys)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        keys.rolls = True
        await again(engine, run, engine.act(run_recovery.retry_from, run.id, "b"))
        assert keys.undone == ["b", "a", "b"]
        view = await again(engine, run, engine.app.retry(run.id))
    assert view.generation == 2
    assert keys.undone == ["b", "a", "b", "b", "a"]
    assert keys.done == ["before", "a", "between", "b", "b", "a", "between", "b"]


async def test_from_a_step_behind_what_was_undone_starts_before_it(tmp_path):
    """The chosen step stands on steps whose effects are gone."""
    keys = Keys()
    registry, trip = trip_of(keys)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        keys.broken = False
        assert [o.name for o in rollback_status.list_repeated(engine.history(run), "b#1")] == ["a", "between", "b"]
        await engine.act(run_recovery.retry_from, run.id, "b")
        await engine.until(run, RunState.SUCCEEDED)
    assert keys.done == ["before", "a", "between", "b", "a", "between", "b"]


async def test_from_a_step_before_what_was_undone_starts_there(tmp_path):
    """Anyone who goes further back has his way."""
    keys = Keys()
    registry, trip = trip_of(keys)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        keys.broken = False
        await engine.act(run_recovery.retry_from, run.id, "before")
        await engine.until(run, RunState.SUCCEEDED)
    assert keys.done == ["before", "a", "between", "b"] * 2


async def test_result_for_a_failed_step_is_refused_without_its_predecessors(tmp_path):
    """With a result by hand the run would continue as if the others were done."""
    keys = Keys()
    registry, trip = trip_of(keys, on_failure="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        with pytest.raises(ConflictError, match="undone steps") as refused:
            await engine.give(run, b'"by hand"', "last")
    assert "retry" in refused.value.hint


async def test_neighbour_that_the_rollback_abandoned_runs_again(tmp_path):
    """It was asked for before what was undone, and was stopped by the rollback: it has no result to continue with."""
    broken, calls = True, []
    started = asyncio.Event()

    async def slow() -> str:
        calls.append("slow")
        started.set()
        if broken:
            await asyncio.Event().wait()
        return "slow"

    async def undo_slow() -> None:
        calls.append("undo slow")

    with Registry() as registry:

        @ms.workflow
        async def trip(run: ms.Run) -> str:
            sibling = asyncio.ensure_future(run.options(undo=undo_slow).step(slow))
            await run.receive("go")
            if broken:
                await run.rollback("not yet")
            return await sibling

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await started.wait()
        await engine.app.signal(run.id, "go")
        await engine.until(run, RunState.FAILED)
        broken = False
        await engine.app.retry(run.id)  # it has its "go" still
        await engine.until(run, RunState.SUCCEEDED)
        assert await run.result() == "slow"
    assert calls == ["slow", "undo slow", "slow"]


async def test_retry_of_a_failed_undo_keeps_the_cancel_that_started_it(tmp_path):
    """The rollback continues to its end: the run is not taken for one that no one cancelled."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.receive("never"), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.WAITING)
        ledger.broken = True
        await engine.app.cancel(run.id)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.UNDO_FAILED
        ledger.broken = False
        await engine.app.retry(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_undo_done_by_hand_keeps_the_cancel_that_started_it(tmp_path):
    """A result given for it changes nothing about why it was called."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.receive("never"), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.WAITING)
        ledger.broken = True
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        ledger.broken = False
        await engine.give(run, b"null")
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-a:A"]


async def test_from_a_step_of_a_run_that_was_being_undone_goes_forward_again(tmp_path):
    """Half undone, then wanted after all: it begins at the first step that is gone, and ends well."""
    keys, broken = Keys(), True

    async def undo(name: str) -> None:
        if name == "a" and broken:
            raise ms.Permanent("a stays")
        await keys.undo(name)

    async def unsure() -> str:
        if broken:
            raise ConnectionResetError("who knows")
        return "sure"

    with Registry() as registry:

        @ms.workflow(on_cancel="undo")
        async def trip(run: ms.Run) -> str:
            for name in ("a", "b"):
                await run.options(name=name, undo=undo).step(keys.do, name)
            return await run.options(delivery="at_most_once").step(unsure)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.app.cancel(run.id)
        await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.UNDO_FAILED)
        with pytest.raises(ConflictError, match="undone steps"):
            await engine.act(run_recovery.run_again, run.id, step="unsure")
        broken = False
        await engine.act(run_recovery.retry_from, run.id, "unsure")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert (view.undoing, keys.done, keys.undone) == (False, ["a", "b", "b"], ["b"])

"""Rollback over children: a run that rolls back undoes its children, newest first."""

from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio
DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done():
    DONE.clear()


async def book(name: str) -> str:
    DONE.append(name)
    return name


async def unbook(name: str, result: str | None = None) -> None:
    DONE.append(f"undo {name}")


async def refuse(name: str) -> str:
    raise ms.Permanent(f"no {name}")


async def cancel_trip(where: str, result: str | None = None) -> None:
    DONE.append(f"cancel {where}: {result}")


def make_trips(end: str, **options: Any) -> tuple[Registry, Any]:
    """Return a workflow with two children, each with a step that can be undone, between steps of its own."""
    with Registry() as registry:

        @ms.workflow(name="leg")
        async def leg(run: ms.Run, where: str) -> str:
            await run.options(undo=unbook).step(book, f"bus to {where}")
            await run.options(undo=unbook).step(book, where)
            if where == "nowhere":
                await run.step(refuse, where)
            if where == "later":
                await run.receive("go")
            return where

        @ms.workflow(name="trip", **options)
        async def trip(run: ms.Run) -> None:
            await run.options(undo=unbook).step(book, "insurance")
            await run.child(leg, "rome")
            await run.options(undo=unbook).step(book, "hotel")
            if end == "open child":
                await run.child(leg, "later")
            if end == "failed child":
                try:
                    await run.child(leg, "nowhere")
                except ms.StepFailed:
                    await run.rollback("no way")
            if end == "own undo":
                await run.options(undo=cancel_trip).child(leg, "paris")
            if end == "shared":
                await run.options(run_key="oslo").child(leg, "oslo")
                await run.options(close="keep").child(leg, "bern")
            if end in ("failure", "own undo", "shared"):
                await run.rollback("no seat")
            await run.step(refuse, "seat")

    return registry, trip


ROME = ["undo rome", "undo bus to rome"]
BEFORE = ["insurance", "bus to rome", "rome", "hotel"]


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_rollback_undoes_succeeded_children_as_runs_in_its_order(tmp_path, settings: WorkerOptions | None):
    """Newest first, each child as a whole in its place; the child ends as cancelled, and `rollback` waits for that."""
    registry, trip = make_trips("failure")
    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(trip)
        view = await engine.until(run, RunState.FAILED)
        assert view.reason == FailureReason.ROLLED_BACK
        assert [*BEFORE, "undo hotel", *ROME, "undo insurance"] == DONE
        (child,) = engine.history(run).children
        assert (child.state, engine.view(child.id).undoing) == (RunState.CANCELLED, True)
        undos = [outcome.ident for outcome in engine.history(run).outcomes if outcome.kind == "undo"]
        assert undos == ["undo:book#2", "undo:leg#1", "undo:book#1"]


async def test_undo_of_a_child_replaces_its_own_undos(tmp_path):
    """The function gets the arguments and the result of the child, whose steps stay."""
    registry, trip = make_trips("own undo")
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        await engine.until(await engine.start(trip), RunState.FAILED)
    assert [*BEFORE, "bus to paris", "paris", "cancel paris: paris", "undo hotel", *ROME, "undo insurance"] == DONE


async def test_children_that_are_kept_or_share_a_key_stay(tmp_path):
    """Others may count on them."""
    registry, trip = make_trips("shared")
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        states = [child.state for child in engine.history(run).children]
    booked = [*BEFORE, "bus to oslo", "oslo", "bus to bern", "bern"]
    assert [*booked, "undo hotel", *ROME, "undo insurance"] == DONE
    assert sorted(states) == [RunState.CANCELLED, RunState.SUCCEEDED, RunState.SUCCEEDED]


async def test_failed_child_is_undone_too(tmp_path):
    """Its earlier steps have succeeded."""
    registry, trip = make_trips("failed child")
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        await engine.until(await engine.start(trip), RunState.FAILED)
        assert engine.working.store.reader.read_text("select run from failures where settled_at is null", ()) != []
    nowhere = ["undo nowhere", "undo bus to nowhere"]
    assert [*BEFORE, "bus to nowhere", "nowhere", *nowhere, "undo hotel", *ROME, "undo insurance"] == DONE


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_cancel_with_undo_undoes_the_child_that_works(tmp_path, settings):
    """The open child is cancelled, undoes its steps first, and then the run undoes what came before."""
    registry, trip = make_trips("open child", on_cancel="undo")
    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(trip)
        await engine.when(lambda: DONE, lambda done: "later" in done)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    later = ["undo later", "undo bus to later"]
    assert [*BEFORE, "bus to later", "later", *later, "undo hotel", *ROME, "undo insurance"] == DONE


async def test_stopped_run_is_rolled_back_over_its_children(tmp_path):
    """A failed run that is cancelled with undo is undone by its journal, children included."""
    registry, trip = make_trips("stopped")
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        await engine.app.cancel(run.id, undo=True)
        await engine.until(run, RunState.CANCELLED)
    assert [*BEFORE, "undo hotel", *ROME, "undo insurance"] == DONE


async def test_child_whose_undo_fails_stops_the_rollback_until_a_person_decides(tmp_path):
    """The child needs attention; when a person has set the result of its undo, both rollbacks continue."""

    async def stuck(name: str) -> None:
        raise ms.Permanent("the office is closed")

    with Registry() as registry:

        @ms.workflow
        async def leg(run: ms.Run) -> None:
            await run.options(undo=stuck).step(book, "ferry")

        @ms.workflow
        async def trip(run: ms.Run) -> None:
            await run.options(undo=unbook).step(book, "hotel")
            await run.child(leg)
            await run.rollback("storm")

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(trip)
        (child,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(child.id, RunState.NEEDS_ATTENTION)
        assert await run.status() is RunState.WAITING
        await engine.give(child.id, b"null")
        await engine.until(run, RunState.FAILED)
    assert DONE == ["hotel", "ferry", "undo hotel"]

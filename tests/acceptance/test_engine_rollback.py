"""A cancel of a run that stopped undoes what it did: from its journal, whatever became of its code."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import bulk, run_recovery, run_selection
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.testing.clock import FakeClock
from tests.acceptance.booking import Ledger, booking
from tests.acceptance.engine_world import AT_ONCE, Engine, World
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio
UNDONE = Ledger()
"""What the undos below, which have names that another process could find, undid."""
ENTERED: list[str] = []


async def give_back(name: str, result: str | None = None) -> None:
    await UNDONE.unbook(name, result)


async def stop(run: ms.Run, ledger: Ledger) -> Any:
    """Come to a step that is in doubt, so that the run needs a person."""
    return await run.options(delivery="at_most_once", name="c").step(ledger.fail_somehow, "c")


def trip_of(ledger: Ledger, first: str = "a", last: Any = None) -> Registry:
    """A workflow of the name trip whose undos can be found by name."""
    with Registry() as registry:

        @ms.workflow(on_cancel="undo")
        async def trip(run: ms.Run) -> str:
            ENTERED.append(run.id)
            for name, key in ((first, "a"), ("b", "b")):
                await run.options(undo=give_back, name=key).step(ledger.book, name)
            return await (run.step(last, "c") if last else stop(run, ledger))

    return registry


@pytest.fixture(autouse=True)
def clean():
    """Each test begins with nothing undone."""
    UNDONE.lines.clear()
    ENTERED.clear()
    UNDONE.broken = False


async def halted(engine: Engine, trip: Any) -> ms.Handle:
    run = await engine.start(trip)
    await engine.until(run, RunState.NEEDS_ATTENTION)
    return run


async def test_step_in_doubt_is_undone_with_no_result(tmp_path):
    """It may have had its effect; no one knows its result."""
    ledger = Ledger()

    async def last(run):
        options = {"delivery": "at_most_once", "name": "c", "undo": ledger.unbook}
        return await run.options(**options).step(ledger.fail_somehow, "c")

    registry, trip = booking(ledger, last, on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, trip)
        await engine.app.cancel(run.id)
        view = await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-c:None", "-b:B", "-a:A"]
    assert (view.reason, view.failure, view.undoing) == (None, None, True)


async def test_drifted_run_is_undone_with_what_it_did(tmp_path):
    """The undo gets the saved input, not the one that today's code would give."""
    world, ledger = World(tmp_path), Ledger()
    registry = trip_of(ledger)
    async with world.engine(registry) as engine:
        run = await halted(engine, registry.get("trip"))
    changed = trip_of(ledger, first="x")
    async with world.engine(changed) as engine:
        await engine.act(run_recovery.run_again, run.id, step="c")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.DRIFT
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert UNDONE.lines == ["-b:B", "-a:A"]


async def test_code_that_crashes_its_worker_is_not_entered(tmp_path):
    """A quarantined run is undone by its journal alone."""
    world, ledger = World(tmp_path), Ledger()
    registry = trip_of(ledger, last=ledger.hang)
    async with world.engine(registry) as engine:
        run = await engine.start(registry.get("trip"))
        await ledger.entered.wait()
        session = engine.working.store.session
        await engine.die()
    async with world.engine(registry) as engine:
        await engine.working.apply(DeclareSessionDead(session, crashed=True, probation_run=run.id, limit=1))
        assert engine.view(run).reason == FailureReason.CRASHES_WORKER
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert UNDONE.lines == ["-b:B", "-a:A"]
    assert len(ENTERED) == 1


async def test_missing_undo_needs_a_person(tmp_path):
    """The code does not ask for the step, and no function has the name on record: the undo fails and says so."""
    world, ledger = World(tmp_path), Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo")
    async with world.engine(registry) as engine:
        run = await halted(engine, trip)
    with Registry() as changed:

        @ms.workflow(name="trip", on_cancel="undo")
        async def other(run: ms.Run) -> None:
            await run.receive("never")

    async with world.engine(changed) as engine:
        await engine.app.cancel(run.id)
        view = await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.UNDO_FAILED)
    assert "'b' cannot be undone by tests.acceptance.booking:Ledger.unbook" in view.failure.message
    assert "give-result" in view.failure.hint


async def test_children_of_a_stopped_run_stop_when_it_is_undone(tmp_path):
    """Nothing continues beside it, and its questions are closed."""
    ledger = Ledger()
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            await run.receive("never")

        @ms.workflow(on_cancel="undo")
        async def parent(run: ms.Run) -> None:
            await run.options(undo=ledger.unbook).step(ledger.book, "a")
            await asyncio.gather(run.child(child), run.ask("Well?", choices=["yes"]), stop(run, ledger))

    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, parent)
        (below,) = engine.history(run).children
        await engine.app.cancel(run.id)
        await engine.until(below.id, RunState.CANCELLED)
        await engine.until(run, RunState.CANCELLED)
        assert engine.history(run).waits == []
    assert ledger.lines == ["a", "-a:A"]


async def test_failed_undo_is_tried_again_by_a_second_cancel(tmp_path):
    """It needs a person like any other; what was undone is not undone twice."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, trip)
        ledger.broken = True
        await engine.app.cancel(run.id)
        view = await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.UNDO_FAILED)
        assert view.failed_ident == "undo:b#1"
        await engine.app.cancel(run.id)
        await engine.when(lambda: engine.view(run), lambda v: v.claim > view.claim and v.reason is not None)
        ledger.broken = False
        await engine.app.retry(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_undo_done_by_hand_lets_the_others_follow(tmp_path):
    """A result given for the failed undo stands for it; the run ends cancelled, not continued."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, trip)
        ledger.broken = True
        await engine.app.cancel(run.id)
        await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.UNDO_FAILED)
        ledger.broken = False
        await engine.give(run, b"null")
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-a:A"]


async def test_failed_undo_can_be_kept(tmp_path):
    """Anyone who says so ends the run with what is left."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, trip)
        ledger.broken = True
        await engine.app.cancel(run.id)
        await engine.when(lambda: engine.view(run), lambda v: v.reason == FailureReason.UNDO_FAILED)
        await engine.app.cancel(run.id, undo=False)
        assert engine.view(run).state is RunState.CANCELLED
    assert ledger.lines == ["a", "b"]


async def test_second_cancel_while_it_is_undone_changes_nothing(tmp_path):
    """Undoing that has begun is brought to its end, and cannot be kept half done."""
    world, ledger = World(tmp_path), Ledger()
    entered, free = asyncio.Event(), asyncio.Event()

    async def unbook(name: str) -> None:
        ledger.lines.append(f"-{name}")
        entered.set()
        await free.wait()

    with Registry() as registry:

        @ms.workflow(on_cancel="undo")
        async def trip(run: ms.Run) -> None:
            for name in ("a", "b"):
                await run.options(undo=unbook, name=name).step(ledger.book, name)
            await stop(run, ledger)

    async with world.engine(registry) as engine:
        run = await halted(engine, trip)
        await engine.app.cancel(run.id)
        await entered.wait()
        await engine.app.cancel(run.id)
        with pytest.raises(ConflictError, match="is rolling back"):
            await engine.app.cancel(run.id, undo=False)
        free.set()
        await engine.until(run, RunState.CANCELLED)
        assert engine.history(run).facts == []
    assert ledger.lines == ["a", "b", "-b", "-a"]


async def test_undo_continues_where_it_was_after_the_worker_died(tmp_path):
    """Each undo is a saved step."""
    world, ledger = World(tmp_path), Ledger()
    stuck, stick = asyncio.Event(), True

    async def unbook(name: str, result: str | None = None) -> None:
        if name == "a" and stick:
            stuck.set()
            await asyncio.Event().wait()
        await ledger.unbook(name, result)

    with Registry() as registry:

        @ms.workflow(on_cancel="undo")
        async def trip(run: ms.Run) -> None:
            for name in ("a", "b"):
                await run.options(undo=unbook, name=name).step(ledger.book, name)
            await stop(run, ledger)

    async with world.engine(registry) as engine:
        run = await halted(engine, trip)
        await engine.app.cancel(run.id)
        await stuck.wait()
        session = engine.working.store.session
        await engine.die()
    stick = False
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


async def test_undo_of_a_stopped_run_retries_like_a_step(tmp_path):
    """A passing error is tried again by the automation's policy, with a time that is kept."""
    ledger, tries = Ledger(), []

    async def unbook(name: str) -> None:
        tries.append((ms.attempt(), ms.idempotency_key()))
        if len(tries) == 1:
            raise ms.Transient("busy")

    with Registry() as registry:

        @ms.workflow(on_cancel="undo", retry={"attempts": 3, "initial": "10ms"})
        async def trip(run: ms.Run) -> None:
            await run.options(undo=unbook).step(ledger.book, "a")
            await stop(run, ledger)

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        run = await halted(engine, trip)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert [attempt for attempt, _ in tries] == [1, 2]
    assert len({key for _, key in tries}) == 1


async def test_run_that_no_worker_knows_waits_to_be_undone(tmp_path):
    """It is queued until a worker has its automation; kept as it stands it ends at once."""
    world, ledger = World(tmp_path), Ledger()
    registry = trip_of(ledger)
    async with world.engine(registry) as engine:
        runs = [await halted(engine, registry.get("trip")) for _ in range(2)]
    async with world.engine(Registry()) as engine:
        for run in runs:
            await engine.app.cancel(run.id)
            assert engine.view(run).state is RunState.QUEUED
        await engine.app.cancel(runs[1].id, undo=False)
        assert engine.view(runs[1]).state is RunState.CANCELLED
    async with world.engine(registry) as engine:
        await engine.until(runs[0], RunState.CANCELLED)
    assert UNDONE.lines == ["-b:B", "-a:A"]


async def test_failed_run_is_undone_only_on_request(tmp_path):
    """A plain cancel of what has ended is refused."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: run.step(ledger.refuse, "c"), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        with pytest.raises(ConflictError, match="failed"):
            await engine.app.cancel(run.id)
        await engine.app.cancel(run.id, undo=True)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


@pytest.mark.parametrize("undo", [True, False])
async def test_argument_of_cancel_overrides_the_option(tmp_path, undo):
    """It holds for a run that waits, too, and is on record with the cancel."""
    ledger = Ledger()
    choice = "keep" if undo else "undo"
    registry, trip = booking(ledger, lambda run: run.receive("never"), on_cancel=choice)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id, undo=undo)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b"] + (["-b:B", "-a:A"] if undo else [])


async def test_effects_of_superseded_generations_are_undone(tmp_path):
    """Each effect once, the newest generation first."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        run = await halted(engine, trip)
        await engine.act(run_recovery.retry_from, run.id, "b")
        await engine.when(lambda: engine.view(run), lambda v: v.generation == 1 and v.reason is not None)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "b", "-b:B", "-a:A", "-b:B"]


async def test_deadline_that_passed_does_not_stop_the_taking_back(tmp_path):
    """It ends cancelled, with everything undone."""
    ledger = Ledger()
    registry, trip = booking(ledger, lambda run: stop(run, ledger), on_cancel="undo", deadline="1h")
    async with World(tmp_path, FakeClock(datetime(2026, 5, 1, tzinfo=UTC))).engine(registry) as engine:
        run = await halted(engine, trip)
        await engine.pass_time(timedelta(hours=2))
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert ledger.lines == ["a", "b", "-b:B", "-a:A"]


@pytest.mark.slow
async def test_many_stopped_runs_are_undone_by_one_filter(tmp_path):
    """Each on its own."""
    ledger = Ledger()

    async def nothing(run):
        return await run.options(delivery="at_most_once", name="c").step(ledger.fail_somehow, "c")

    registry, trip = booking(ledger, nothing, on_cancel="undo")
    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.start(trip) for _ in range(120)]
        count = lambda state: len(engine.reads.list_runs(states=(state,), limit=2_000).runs)  # noqa: E731
        await engine.when(lambda: count(RunState.NEEDS_ATTENTION), lambda found: found == len(runs))

        def cancel_all(store: Any, act: Any) -> bulk.BulkAnswer:
            found = run_selection.select_run_ids(
                engine.reads, run_selection.RunFilter(states=(RunState.NEEDS_ATTENTION,))
            )
            return bulk.cancel_each(store, found, act=act)

        answer = await call_service(engine.app, cancel_all)
        assert (answer.done, answer.refused) == (len(runs), {})
        await engine.when(lambda: count(RunState.CANCELLED), lambda found: found == len(runs))
    assert sorted(ledger.lines) == sorted(["a", "b", "-b:B", "-a:A"] * len(runs))

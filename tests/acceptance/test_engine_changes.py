"""`run.version`: a change of the code while runs are in flight. Each run takes one side of it, and no step is repeated or skipped.

Each release is a file of its own, as people deploy it. The old side is 1.
"""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.app.deploy.old_sides import OldSides, list_removed_sides
from mainspring.app.replay.replay_protocol import CodeChange
from mainspring.app.replay.run_sources import StoredRuns
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.module_loader import load_module
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, Engine, World
from tests.acceptance.step_record import DONE

pytestmark = pytest.mark.asyncio

HEAD = """
import asyncio
import os
import mainspring as ms
from tests.acceptance.step_record import note

async def reserve(n: int) -> str:
    return note("did reserve")

async def charge(n: int) -> str:
    return note("did charge")

async def charge_card(n: int) -> str:
    return note("did charge_card")

async def hang(n: int) -> str:
    note("did hang")
    if n < 0 or os.environ.get("HANGS"):
        await asyncio.Event().wait()
    return "done"

@ms.step(retry=ms.Retry(5, initial="9m", jitter=False))
async def fail(n: int) -> str:
    note("did fail")
    raise ms.Transient("later")

@ms.step(retry=ms.Retry(1))
async def refuse(n: int) -> str:
    note("did refuse")
    if os.environ.get("REFUSES"):
        raise ms.Transient("no")
    return "done"

@ms.workflow(name="pay")
async def pay(run: ms.Run) -> str:
    await run.receive("paid")
    return await run.step(charge, 1)
"""
ASK = '    version = await run.version("by-card", 2)\n'
CHANGE = ASK + "    await run.step(charge_card if version >= 2 else charge, 1)\n"
THIRD = CHANGE.replace("2)\n", "3)\n", 1)
RESERVE, CHARGE, HANG = (f"    await run.step({name}, 1)\n" for name in ("reserve", "charge", "hang"))
GO, ON = ('    await run.receive("go")\n', '    await run.receive("on")\n')


def order(*lines: str) -> str:
    """Return the text of a release."""
    return (
        f'{HEAD}\n@ms.workflow(name="order")\nasync def order(run: ms.Run) -> str:\n{"".join(lines)}    return "done"\n'
    )


class Shop:
    """One run, and the releases that continue it."""

    def __init__(self, place: Path) -> None:
        self.world = World(place)
        self.place = place
        self.releases = 0
        self.run = ""

    def release(self, *lines: str) -> Registry:
        """Load a release as a worker does."""
        self.releases += 1
        file = self.place / f"release_{self.releases}.py"
        file.write_text(order(*lines), encoding="utf-8")
        with Registry() as registry:
            load_module(str(file))
        return registry

    async def begin(self, *lines: str, until: RunState = RunState.WAITING) -> None:
        registry = self.release(*lines)
        async with self.world.engine(registry) as engine:
            self.run = (await engine.start(registry.get("order"))).id
            await engine.until(self.run, until)

    async def begin_and_die(self, *lines: str, step: str = "hang") -> None:
        """Let a worker begin the run, and kill it while a step is under way."""
        registry = self.release(*lines)
        async with self.world.engine(registry) as engine:
            self.run = (await engine.start(registry.get("order"))).id
            await engine.when(lambda: list(DONE), lambda done: step in done)
            session = engine.working.store.session
            assert session is not None
            await engine.die()
        async with self.world.engine(Registry()) as other:
            await self.world.declare_dead(other, session)

    async def continue_by(self, engine: Engine, *signals: str) -> Any:
        for name in signals:
            await engine.app.signal(self.run, name, 1)
        return await engine.until(self.run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION, RunState.FAILED)

    async def finish(self, *lines: str, signals: tuple[str, ...] = ("go",)) -> Any:
        async with self.world.engine(self.release(*lines), REPLAYING) as engine:
            view = await self.continue_by(engine, *signals)
            self.answers = [
                (outcome.name, int(outcome.output or b"0"))
                for outcome in engine.history(self.run).outcomes
                if outcome.kind is OutcomeKind.VERSION
            ]
            return view


@pytest.fixture
def shop(tmp_path, monkeypatch):
    DONE.clear()
    monkeypatch.delenv("HANGS", raising=False)
    monkeypatch.delenv("REFUSES", raising=False)
    return Shop(tmp_path)


async def test_new_run_takes_the_new_version_and_saves_it(shop):
    """Code that has the change begins the run: it takes the change, also after replays."""
    await shop.begin(RESERVE, ASK, GO)
    view = await shop.finish(RESERVE, CHANGE, GO)
    assert (view.state, DONE, shop.answers) == (RunState.SUCCEEDED, ["reserve", "charge_card"], [("by-card", 2)])


async def test_run_that_waited_in_front_of_the_change_takes_it(shop):
    """Nothing was under way, and the history is used up at the question."""
    await shop.begin(RESERVE, GO, CHARGE)
    view = await shop.finish(RESERVE, GO, CHANGE)
    assert (view.state, DONE, shop.answers) == (RunState.SUCCEEDED, ["reserve", "charge_card"], [("by-card", 2)])


async def test_run_that_passed_the_place_keeps_the_old_side(shop):
    """Saved outcomes follow the question: the run gets them as before, at the same instants, in each replay, and the answer is saved."""
    stamp = "    instant = run.now()\n"
    old = (RESERVE, stamp, "    await run.step(charge, instant.microsecond)\n", GO, ON)
    new = (
        RESERVE,
        ASK,
        stamp,
        "    await run.step(charge_card if version >= 2 else charge, instant.microsecond)\n",
        GO,
    )
    await shop.begin(*old)
    async with shop.world.engine(shop.release(*new, ON), REPLAYING) as engine:
        await engine.app.signal(shop.run, "go", 1)
        await engine.when(
            lambda: engine.history(shop.run).outcomes, lambda saved: any(o.kind is OutcomeKind.VERSION for o in saved)
        )
        await engine.until(shop.run, RunState.WAITING)
    view = await shop.finish(*new, RESERVE, ON, signals=("on",))
    assert (view.state, view.reason, DONE) == (RunState.SUCCEEDED, None, ["reserve", "charge", "reserve"])
    assert shop.answers == [("by-card", 1)]


async def test_run_whose_worker_died_keeps_the_old_side(shop, monkeypatch):
    """A charge of the old code may be under way without a record."""
    monkeypatch.setenv("HANGS", "1")
    await shop.begin_and_die(RESERVE, HANG, GO, CHARGE)
    monkeypatch.delenv("HANGS")
    view = await shop.finish(RESERVE, CHANGE, GO)
    assert (view.state, DONE, shop.answers) == (RunState.SUCCEEDED, ["reserve", "hang", "charge"], [("by-card", 1)])


async def test_run_keeps_the_old_side_although_it_waited_after_the_loss(shop, monkeypatch):
    """The first claim after the loss decides, not the last one before the question."""
    monkeypatch.setenv("HANGS", "1")
    await shop.begin_and_die(RESERVE, HANG, CHARGE)
    monkeypatch.delenv("HANGS")
    view = await shop.finish(RESERVE, GO, ON, CHANGE, signals=("go", "on"))
    assert (view.state, DONE, shop.answers) == (RunState.SUCCEEDED, ["reserve", "hang", "charge"], [("by-card", 1)])


async def test_run_that_the_changed_code_began_takes_it_after_a_loss(shop, monkeypatch):
    """The code that began the run had the change, and so did every attempt."""
    monkeypatch.setenv("HANGS", "1")
    await shop.begin_and_die(RESERVE, HANG, CHANGE)
    monkeypatch.delenv("HANGS")
    view = await shop.finish(RESERVE, HANG, CHANGE, signals=())
    assert (view.state, shop.answers) == (RunState.SUCCEEDED, [("by-card", 2)])
    assert DONE == ["reserve", "hang", "hang", "charge_card"]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_run_that_began_with_a_version_between_keeps_it_after_a_loss(shop, monkeypatch, is_lost):
    """The old side of version 3 is the version of the code that began the run; without a loss the run takes 3."""
    monkeypatch.setenv("HANGS", "1")
    if is_lost:
        await shop.begin_and_die(RESERVE, HANG, CHANGE)
    else:
        await shop.begin(RESERVE, GO, CHANGE)
    monkeypatch.delenv("HANGS")
    await shop.finish(RESERVE, HANG if is_lost else GO, THIRD, signals=() if is_lost else ("go",))
    assert shop.answers == [("by-card", 2 if is_lost else 3)]


async def test_child_that_has_not_ended_keeps_the_old_side(shop):
    """The old code started a payment, whose end is not saved: the run waits for this one and starts no other."""
    await shop.begin("    await run.child(pay)\n")
    lines = (ASK, "    await run.child(pay) if version < 2 else await run.step(charge_card, 1)\n")
    async with shop.world.engine(shop.release(*lines), REPLAYING) as engine:
        (child,) = engine.history(shop.run).children
        await engine.app.signal(child.id, "paid", 1)
        view = await shop.continue_by(engine)
    assert (view.state, DONE) == (RunState.SUCCEEDED, ["charge"])


async def test_step_that_waits_for_its_next_attempt_keeps_the_old_side(shop):
    """Its first attempt may have had an effect: the same step is tried again."""
    await shop.begin("    await run.step(fail, 1)\n", until=RunState.RETRYING)
    lines = (ASK, "    await run.step(fail if version < 2 else charge_card, 1)\n")
    async with shop.world.engine(shop.release(*lines), REPLAYING) as engine:
        await engine.app.cancel(shop.run)
        await engine.until(shop.run, RunState.CANCELLED)
    assert DONE == ["fail"]


async def test_failed_run_that_is_retried_keeps_the_old_side(shop, monkeypatch):
    """The step that failed may have had its effect: it is tried again, and no other in its place."""
    monkeypatch.setenv("REFUSES", "1")
    await shop.begin("    await run.step(refuse, 1)\n", until=RunState.FAILED)
    monkeypatch.delenv("REFUSES")
    lines = (ASK, "    await run.step(refuse if version < 2 else charge_card, 1)\n")
    async with shop.world.engine(shop.release(*lines), REPLAYING) as engine:
        await engine.app.retry(shop.run)
        assert (await shop.continue_by(engine)).state is RunState.SUCCEEDED
    assert DONE == ["refuse", "refuse"]


async def test_questions_of_two_branches_get_one_answer(shop):
    """One answer for each change counts for the whole run, and a branch that is cancelled does not take it from the other."""
    lines = (
        '    async def ask() -> int:\n        return await run.version("by-card", 2)\n',
        "    first = asyncio.ensure_future(ask())\n    second = asyncio.ensure_future(ask())\n",
        "    await asyncio.sleep(0)\n    first.cancel()\n",
        "    assert await second == 2 and await ask() == 2\n",
        GO,
    )
    await shop.begin(*lines)
    assert (await shop.finish(*lines)).state is RunState.SUCCEEDED
    assert shop.answers == [("by-card", 2)]


async def test_nothing_starts_before_the_answer_is_saved(tmp_path):
    """A step that another branch requests later finds the answer in the store."""
    counts: list[int] = []
    engines: list[Engine] = []

    async def count() -> None:
        kinds = engines[0].working.store.reader.read_text("select 1 from journal where kind = 'version'", ())
        counts.append(len(kinds))

    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> int:
            version, _ = await asyncio.gather(run.version("by-card", 2), run.step(count))
            return version

    async with World(tmp_path).engine(registry) as engine:
        engines.append(engine)
        assert await (await engine.start(order)).result() == 2
    assert counts == [1]


async def test_run_with_a_newer_version_than_the_code_waits_for_a_person(shop):
    """After a return to older code, a run with the newer change stops, names both versions, and continues with the newer code."""
    await shop.begin(RESERVE, THIRD, GO)
    view = await shop.finish(RESERVE, CHANGE, GO)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert (
        view.failure.message
        == "the run takes version 3 of the change 'by-card', and the current code has version 2 at most"
    )
    async with shop.world.engine(shop.release(RESERVE, THIRD, GO), REPLAYING) as engine:
        await engine.app.retry(shop.run)
        assert (await shop.continue_by(engine)).state is RunState.SUCCEEDED
    assert DONE == ["reserve", "charge_card"]


async def test_run_with_a_newer_version_is_not_continued_by_code_from_before_the_change(shop):
    """Code of an earlier deployment that does not ask would take the old side: the run stops before that."""
    async with shop.world.engine(shop.release(RESERVE, CHARGE, GO, RESERVE)):
        pass
    await shop.begin(RESERVE, CHANGE, GO, RESERVE)
    view = await shop.finish(RESERVE, CHARGE, GO, RESERVE)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert (
        view.failure.message
        == "the run takes version 2 of the change 'by-card', and the current code has version 1 at most"
    )
    async with shop.world.engine(shop.release(RESERVE, CHANGE, GO, RESERVE), REPLAYING) as engine:
        await engine.app.retry(shop.run)
        assert (await shop.continue_by(engine)).state is RunState.SUCCEEDED
    assert DONE == ["reserve", "charge_card", "reserve"]


async def test_newer_code_that_does_not_ask_any_more_continues_a_run(shop):
    """The old side was removed: a run on the new one needs no answer."""
    await shop.begin(RESERVE, CHANGE, GO)
    view = await shop.finish(RESERVE, "    await run.step(charge_card, 1)\n", GO, HANG)
    assert (view.state, DONE) == (RunState.SUCCEEDED, ["reserve", "charge_card", "hang"])


async def test_restarted_run_gets_a_new_answer(shop):
    """The run that continues it began with the code of now."""
    await shop.begin(GO, "    run.restart()\n")
    async with shop.world.engine(shop.release(CHANGE, ON), REPLAYING) as engine:
        await engine.app.signal(shop.run, "go", 1)
        await engine.when(lambda: list(DONE), lambda done: bool(done))
    assert DONE == ["charge_card"]


async def test_fork_keeps_the_side_of_what_it_inherits(shop):
    """A saved answer is inherited, and a place that the first run passed without a question keeps the old side."""
    await shop.begin(RESERVE, CHARGE, GO)
    await shop.finish(RESERVE, CHARGE, GO, RESERVE)
    DONE.clear()
    async with shop.world.engine(shop.release(RESERVE, CHANGE, GO, RESERVE), REPLAYING) as engine:
        shop.run = (await engine.app.fork(shop.run, "reserve#2")).id
        view = await shop.continue_by(engine)
    assert (view.state, DONE) == (RunState.SUCCEEDED, ["reserve"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"by card", 2', "run.version('by card', ...): this is not a valid id of a change"),
        ('"", 2', "run.version('', ...): this is not a valid id of a change"),
        ("7, 2", "run.version(7, ...): this is not a valid id of a change"),
        ('"by-card", 1', "run.version('by-card', 1): expected a whole number from 2 on"),
        ('"by-card", True', "run.version('by-card', True): expected a whole number from 2 on"),
        ('"by-card", 2.5', "run.version('by-card', 2.5): expected a whole number from 2 on"),
    ],
)
async def test_bad_arguments_are_named(shop, arguments, message):
    """The run fails with an error that shows the call."""
    await shop.begin(f"    await run.version({arguments})\n", until=RunState.FAILED)
    async with shop.world.engine(Registry()) as engine:
        assert message in engine.view(shop.run).failure.message


async def test_deploy_check_reads_the_sides_that_runs_have_saved(shop):
    """A run on the old side is listed for code that asks for a newer version, and is a finding for code that does not ask any more."""
    await shop.begin(RESERVE, CHARGE, GO)
    async with shop.world.engine(shop.release(RESERVE, CHANGE, GO), REPLAYING) as engine:
        registry = engine.app.registry
        await engine.start(registry.get("order"))
        await engine.app.signal(shop.run, "other", 1)
        await engine.when(
            lambda: engine.working.store.reader.read_text("select 1 from journal where kind = 'version'", ()),
            lambda rows: len(rows) == 2,
        )
        source = StoredRuns(engine.working.store.reader, PLAIN_SEALING, math.inf)
        sides = OldSides({})
        for group, runs in source.groups.items():
            for run, answers in source.read_versions(runs):
                sides.add(group.automation, group.version, run, answers)
        (side,) = sides.build([CodeChange("order", 1, "by-card", 2)])
        assert (side.chosen, side.newest, side.runs, side.number) == (1, 2, [shop.run], 1)
        assert list(list_removed_sides([side])) == []
        (finding,) = list_removed_sides(sides.build([]))
        assert (
            finding.text == "the code does not ask for the change 'by-card', and 1 unfinished run takes its version 1"
        )

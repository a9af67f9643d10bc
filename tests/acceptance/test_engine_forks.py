"""Forks of finished runs, in a real engine."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import ArgumentError, NotFoundError, OptionError, UnknownNameError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.flags import ChangeFlag
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_fork_repeats_no_inherited_step_and_has_keys_of_its_own(tmp_path, settings):
    """It continues with another input from the step that failed; its own steps run once, under other keys."""
    calls: list[tuple[str, str]] = []

    async def load(name: str) -> str:
        calls.append((name, ms.idempotency_key()))
        return f"{name} loaded"

    async def send(text: str, amount: int) -> str:
        calls.append(("send", ms.idempotency_key()))
        if amount > 10:
            raise ms.Permanent("too much")
        return f"{text}, {amount} sent"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, amount: int) -> list[str]:
            first = await run.step(load, "first")
            values = [str(run.uuid()), str(run.now())]
            return [first, *values, await run.step(send, first, amount)]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work, 11)
        await engine.until(run, RunState.FAILED)
        forked = await engine.app.fork(run.id, "send", arguments={"amount": 3})
        assert (await forked.result())[-1] == "first loaded, 3 sent"
    assert [name for name, _ in calls] == ["first", "send", "send"]
    assert len({key for _, key in calls}) == 3


async def test_inherited_part_has_the_time_and_the_random_values_of_its_run(tmp_path):
    """So its code takes the same way; from the step on, time and random values are those of the fork."""
    clock = FakeClock()
    seen: list[tuple[str, str, str]] = []

    async def mark(place: str, at: str, value: str) -> str:
        seen.append((place, at, value))
        if place == "after" and len(seen) == 2:
            raise ms.Permanent("not yet")
        return place

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            await run.step(mark, "before", str(run.now()), str(run.uuid()))
            await asyncio.sleep(60)
            with contextlib.suppress(TimeoutError):
                await run.receive("go", within="1h")
            return await run.step(mark, "after", str(run.now()), str(run.uuid()))

    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.pass_time(timedelta(minutes=1))
        await engine.when(lambda: engine.view(run).waiting_for or b"", lambda waits: b"go" in waits)
        await run.signal("go", 1)
        await engine.until(run, RunState.FAILED)
        await engine.pass_time(timedelta(days=1))
        forked = await engine.app.fork(run.id, "mark#2")
        await engine.until(forked, RunState.SUCCEEDED)
        waiting = await engine.app.fork(run.id, "go")
        await engine.until(waiting, RunState.WAITING)
        assert engine.view(waiting).due_at > clock.now()
        await waiting.signal("go", 2)
        await engine.until(waiting, RunState.SUCCEEDED)
    assert [place for place, _, _ in seen] == ["before", "after", "after", "after"]
    assert len({value for _, _, value in seen}) == 4


async def test_rollback_of_a_fork_undoes_only_its_own_steps(tmp_path):
    """What it inherited belongs to the run that was forked, which may still undo it."""
    done: list[str] = []

    async def book(name: str) -> str:
        done.append(name)
        return name

    async def unbook(name: str) -> None:
        done.append(f"undo {name}")

    with Registry() as registry:

        @ms.workflow
        async def trip(run: ms.Run, ends: str) -> str:
            booking = run.options(undo=unbook)
            await booking.step(book, "hotel")
            await booking.step(book, "train")
            if ends == "rollback":
                await run.rollback("no visa")
            return "ends"

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(trip, "well")
        await engine.until(run, RunState.SUCCEEDED)
        forked = await engine.app.fork(run.id, "book#2", arguments={"ends": "rollback"})
        await engine.until(forked, RunState.FAILED)
    assert done == ["hotel", "train", "train", "undo train"]


async def test_cancel_with_undo_of_a_failed_fork_undoes_only_its_own_steps(tmp_path):
    """Also where the journal alone says what was done."""
    done: list[str] = []

    async def book(name: str) -> str:
        done.append(name)
        return name

    async def unbook(name: str) -> None:
        done.append(f"undo {name}")

    async def fail_for_good() -> None:
        raise ms.Permanent("no")

    with Registry() as registry:

        @ms.workflow
        async def trip(run: ms.Run) -> None:
            booking = run.options(undo=unbook)
            await booking.step(book, "hotel")
            await booking.step(book, "train")
            await run.step(fail_for_good)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(trip)
        await engine.until(run, RunState.FAILED)
        forked = await engine.app.fork(run.id, "book#2")
        await engine.until(forked, RunState.FAILED)
        await engine.app.cancel(forked.id, undo=True)
        await engine.until(forked, RunState.CANCELLED)
    assert done == ["hotel", "train", "train", "undo train"]


async def test_child_of_the_source_is_not_the_child_of_the_fork(tmp_path):
    """Its result is inherited; a cancel of the fork does not reach it."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run, n: int) -> int:
            return n + 1

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            n = await run.child(child, 1)
            await run.receive("go")
            return f"child gave {n}"

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(parent)
        await run.signal("go")
        await engine.until(run, RunState.SUCCEEDED)
        forked = await engine.app.fork(run.id, "go")
        await engine.until(forked, RunState.WAITING)
        assert engine.history(forked).children == []
        await forked.signal("go")
        assert await forked.result() == "child gave 2"


async def test_fork_that_cannot_be_made_names_the_reason(tmp_path):
    """Nothing is started."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run, n: int) -> None:
            await run.receive("go")

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(waits, 1)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(UnknownNameError, match="unknown step"):
            await engine.app.fork(run.id, "start")
        await run.signal("go")
        await run.result()
        with pytest.raises(ArgumentError, match="n"):
            await engine.app.fork(run.id, "go", arguments={"n": "one"})
        with pytest.raises(NotFoundError):
            await engine.app.fork("r_none", "go")
        forked = await engine.app.fork(run.id, "go", key="again")
        await forked.signal("go")
        await forked.result()
        assert (await engine.app.fork(run.id, "go", key="again")).id == forked.id


async def test_fork_has_the_flag_answers_of_its_source(tmp_path):
    """Before and after the step, also without a key."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[bool]:
            sides = [await run.flag("new", by="ann"), await run.flag("new")]
            await run.step(nothing)
            return [*sides, await run.flag("new", by="ann"), await run.flag("new")]

    async def nothing() -> None: ...

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        change = ChangeFlag("new", FlagChange(share=SHARE_UNITS))
        await engine.working.apply(change)
        run = await engine.start(work)
        assert await run.result() == [True] * 4
        await engine.working.apply(ChangeFlag("new", FlagChange(share=0)))
        forked = await engine.app.fork(run.id, "nothing")
        assert await forked.result() == [True] * 4


async def test_partition_of_a_fork_is_checked_and_that_of_the_definition_not_filled(tmp_path):
    """Its input need not fit the template."""
    with Registry() as registry:

        @ms.workflow(partition="{customer}", key="{customer}")
        async def work(run: ms.Run, customer: str = "a") -> str:
            await run.step(nothing)
            return customer

    async def nothing() -> None: ...

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await run.result()
        for partition in ("", "x" * 100_000, 5):
            with pytest.raises(OptionError, match="partition"):
                await engine.app.fork(run.id, "nothing", partition=partition)
        forked = await engine.app.fork(run.id, "nothing", arguments={}, partition="p")
        assert await forked.result() == "a"
        assert (engine.view(forked).partition, engine.view(forked).run_key) == ("p", None)

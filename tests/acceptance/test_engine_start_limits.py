"""`rate`, `throttle`, `debounce` and `cancel_in_progress` of a definition, as a program meets them."""

import functools
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.definitions.start_options import CONTINUES, StartOptions
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.runs import ParentLink, SlotLink, StartLimits
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


async def test_throttle_refuses_direct_starts_and_no_children(tmp_path):
    """The error has the time to wait, for each key."""
    with Registry() as registry:

        @ms.task(throttle="2/1h", per="{customer}")
        async def invite(customer: str) -> str:
            return customer

        @ms.workflow
        async def invite_all(run: ms.Run) -> int:
            return len([await run.child(invite, "ann") for _ in range(3)])

    async with World(tmp_path).engine(registry) as engine:
        for _ in range(2):
            await engine.start(invite, "ann")
        with pytest.raises(
            ms.Throttled, match="'invite' with key 'ann' may be started at most 2 times in 1h"
        ) as refused:
            await engine.start(invite, "ann")
        assert timedelta(minutes=59) < refused.value.retry_after <= timedelta(hours=1)
        assert await (await engine.start(invite, "bob")).result() == "bob"
        assert await (await engine.start(invite_all)).result() == 3


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_rate_counts_for_each_way_to_start(tmp_path, settings):
    """Direct starts, children and started runs share it: a later one is a run that waits, and no error. A restart is no new run."""
    clock, started = FakeClock(), []
    with Registry() as registry:

        @ms.task(rate="2/1h", per="{customer}")
        async def invite(customer: str) -> str:
            started.append(customer)
            return customer

        @ms.workflow
        async def invite_all(run: ms.Run) -> str:
            await run.start(invite, "ann")
            return await run.child(invite, "ann")

        @ms.workflow(rate="1/1h")
        async def count(run: ms.Run, number: int) -> int:
            return number if number == 3 else await run.restart(number + 1)

    async with World(tmp_path, clock).engine(registry, settings) as engine:
        for _ in range(2):
            assert await (await engine.start(invite, "ann")).result() == "ann"
        workflow = await engine.start(invite_all)
        assert await (await engine.start(invite, "bob")).result() == "bob"
        assert await (await engine.start(count, 0)).result() == 3
        await engine.until(workflow, RunState.WAITING)
        assert started == ["ann", "ann", "bob"]
        await engine.pass_time(timedelta(hours=1, seconds=1))
        assert await workflow.result() == "ann"
        await engine.when(lambda: list(started), lambda names: len(names) == 5)
        third = await engine.start(invite, "ann")
        await engine.pass_time(timedelta(minutes=59))
        assert started == ["ann", "ann", "bob", "ann", "ann"]
        await engine.pass_time(timedelta(minutes=2))
        assert await third.result() == "ann"


async def test_runs_whose_turns_passed_without_a_worker_begin_together(tmp_path):
    """The rate counts due times, not begins: after an outage of three spans six runs begin at once, and the seventh at its own turn."""
    clock, started = FakeClock(), []
    with Registry() as registry:

        @ms.task(rate="2/1h")
        async def invite(number: int) -> int:
            started.append(number)
            return number

    world = World(tmp_path, clock)
    async with world.engine(registry) as engine:
        for number in range(2):
            assert await (await engine.start(invite, number)).result() == number
        waiting = [await engine.start(invite, number) for number in range(2, 9)]
    assert started == [0, 1]
    clock.advance(timedelta(hours=3, minutes=1))
    async with world.engine(registry) as engine:
        await engine.when(lambda: list(started), lambda numbers: len(numbers) == 8)
        assert sorted(started) == [0, 1, 2, 3, 4, 5, 6, 7]
        view = await engine.app.handle(waiting[-1].id).view()
        assert view.state is RunState.QUEUED
        assert view.due_at is not None
        assert view.due_at - view.created_at >= timedelta(hours=4)


async def test_rate_is_a_limit_of_every_start_but_those_of_now():
    """A slot has it too. A run that the caller executes itself begins at once, and a restart continues a run."""
    with Registry() as registry:

        @ms.task(every="1h", rate="2/m")
        async def report() -> None: ...

    definition = registry.get("report").definition
    start = functools.partial(build_start_command, definition, b"{}", run="r", now_at=0, trigger="test")
    for command in (start(), start(slot=SlotLink("report", 0)), start(parent=ParentLink("r_1", "c", 1))):
        assert command.limits == StartLimits("", rate=(2, 60_000))
    assert start(here=True).limits is None
    assert start(options=StartOptions(key="k", key_policy=CONTINUES)).limits is None


async def test_debounced_starts_become_one_run_with_the_newest_input(tmp_path):
    """All handles are of this run; it starts when no start has come for the time."""
    clock = FakeClock()
    done = []
    with Registry() as registry:

        @ms.task(debounce="10s", per="{page}")
        async def render(page: str, text: str) -> str:
            done.append(text)
            return text

    async with World(tmp_path, clock).engine(registry) as engine:
        first = await engine.start(render, "home", "one")
        await engine.pass_time(timedelta(seconds=6))
        second = await engine.start(render, "home", "two")
        other = await engine.start(render, "about", "else")
        assert (second.id, second.created, other.created) == (first.id, False, True)
        await engine.pass_time(timedelta(seconds=6))
        assert done == []
        await engine.pass_time(timedelta(seconds=4))
        assert await first.result() == "two"
        assert await other.result() == "else"
        with pytest.raises(OptionError, match="a start cannot have a key"):
            await engine.app.options(key="k").start(render, "home", "three")


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_new_run_cancels_the_one_in_progress_and_waits_for_its_cleanup(tmp_path, settings):
    """The step of the cancelled run ends before the new run begins; another key is not touched."""
    log: list[str] = []
    with Registry() as registry:

        async def note(text: str) -> None:
            log.append(text)

        @ms.workflow(concurrency=1, per="{branch}", cancel_in_progress=True)
        async def deploy(run: ms.Run, branch: str, number: int) -> str:
            try:
                await run.step(note, f"begin {number}")
                if number < 3:
                    await run.receive("go")
                return f"deployed {number}"
            finally:
                if number < 3:
                    await run.step(note, f"tidy {number}")

    async with World(tmp_path).engine(registry, settings) as engine:
        other = await engine.start(deploy, "side", 0)
        first = await engine.start(deploy, "main", 1)
        await engine.until(first, RunState.WAITING)
        third = await engine.start(deploy, "main", 3)
        assert await third.result() == "deployed 3"
        await engine.until(first, RunState.CANCELLED)
        assert log.index("tidy 1") > log.index("begin 1")
        await engine.until(other, RunState.WAITING)
        assert "tidy 0" not in log


async def test_slots_of_a_schedule_do_not_cancel_each_other():
    """A backfill has many at once; overlap= decides for a schedule."""
    with Registry() as registry:

        @ms.task(every="1h", concurrency=1, cancel_in_progress=True)
        async def report() -> None: ...

    definition = registry.get("report").definition
    start = functools.partial(build_start_command, definition, b"{}", run="r", now_at=0, trigger="test")
    assert start().cancels_other_runs
    assert not start(slot=SlotLink("report", 0)).cancels_other_runs
    assert start(slot=SlotLink(None, 0)).cancels_other_runs

"""Pause and resume of one run, in a real engine."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, Engine, World

pytestmark = pytest.mark.asyncio


class HeldStep:
    """A step that waits until the test lets it end."""

    def __init__(self) -> None:
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self.calls: list[str] = []

    async def pass_through(self, name: str) -> str:
        self.calls.append(name)
        self.entered.set()
        await self.open.wait()
        return name


async def until_it_pauses(engine: Engine, run: ms.Handle) -> None:
    """Wait until the owner has read the request: from then on it starts nothing."""
    drivers = engine.working.worker.drivers
    await engine.when(lambda: run.id in drivers and drivers[run.id].pausing, bool)


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_step_under_way_finishes_and_the_next_one_waits_for_the_resume(tmp_path, settings):
    """Nothing starts, whether the run stays in memory or is replayed."""
    held = HeldStep()
    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> list[str]:
            return [await run.step(held.pass_through, "first"), await run.step(held.pass_through, "second")]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(two)
        await held.entered.wait()
        await engine.app.pause(run.id, "look first")
        assert engine.view(run).state is RunState.RUNNING
        await until_it_pauses(engine, run)
        held.open.set()
        await engine.until(run, RunState.PAUSED)
        assert held.calls == ["first"]
        history = engine.history(run)
        assert (history.pause.reason, len(history.outcomes), history.facts) == ("look first", 1, [])
        await engine.app.pause(run.id)  # changes nothing
        await engine.app.resume(run.id)
        assert await run.result() == ["first", "second"]
    assert held.calls == ["first", "second"]


async def test_request_withdrawn_in_time_changes_nothing(tmp_path):
    """The run goes to its end in the memory of its worker, its retry and its timer included."""
    held = HeldStep()
    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> list[str]:
            first = await run.step(held.pass_through, "first")
            await asyncio.sleep(0.01)
            return [first, await run.step(held.pass_through, "second")]

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(two)
        await held.entered.wait()
        await engine.app.pause(run.id)
        await until_it_pauses(engine, run)
        await engine.app.resume(run.id)
        held.open.set()
        assert await run.result() == ["first", "second"]
        assert engine.view(run).claim == 1
        with pytest.raises(ConflictError, match="is not paused"):
            await engine.app.resume(run.id)


async def test_times_pass_in_a_pause_and_take_effect_at_the_resume(tmp_path):
    """A timer that is due, a wait whose time is over, and the message that came in time before it."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> tuple[str, str, str]:
            async def receive(name: str) -> str:
                try:
                    return str(await run.receive(name, within="1h"))
                except TimeoutError:
                    return f"no {name}"

            async def sleep() -> str:
                await asyncio.sleep(1800)
                return "slept"

            return await asyncio.gather(receive("early"), receive("never"), sleep())

    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        await engine.app.pause(run.id)
        assert engine.view(run).state is RunState.PAUSED
        await run.signal("early", "in time")
        await engine.pass_time(timedelta(hours=2))
        await run.signal("never", "too late")
        assert engine.view(run).state is RunState.PAUSED
        await engine.app.resume(run.id)
        assert await run.result() == ("in time", "no never", "slept")


async def test_deadline_that_passes_in_a_pause_ends_the_run_at_the_resume(tmp_path):
    """A paused run does not end by itself."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow(deadline="1h")
        async def waits(run: ms.Run) -> None:
            await run.receive("never")

    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        await engine.app.pause(run.id)
        await engine.pass_time(timedelta(hours=2))
        assert engine.view(run).state is RunState.PAUSED
        await engine.app.resume(run.id)
        view = await engine.until(run, RunState.FAILED)
        assert view.reason == "deadline"


async def test_retry_waits_for_the_resume_and_keeps_its_count(tmp_path):
    """The pause is no attempt."""
    attempts: list[int] = []
    clock = FakeClock()

    async def flaky() -> str:
        attempts.append(ms.attempt())
        if len(attempts) < 2:
            raise ms.Transient("not yet")
        return "done"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(retry=ms.Retry(attempts=2)).step(flaky)

    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.RETRYING)
        await engine.app.pause(run.id)
        await engine.pass_time(timedelta(hours=2))
        assert (engine.view(run).state, attempts) == (RunState.PAUSED, [1])
        await engine.app.resume(run.id)
        assert await run.result() == "done"
    assert attempts == [1, 2]


async def test_one_step_task_pauses_before_its_start_or_not_at_all(tmp_path):
    """Its only attempt is under way, so it ends instead."""
    held = HeldStep()
    with Registry() as registry:

        @ms.task
        async def single(name: str) -> str:
            return await held.pass_through(name)

    world = World(tmp_path)
    async with world.engine(registry) as engine:
        run = await engine.start(single, "a")
        await held.entered.wait()
        await engine.app.pause(run.id)
        held.open.set()
        assert await run.result() == "a"
        waiting = await engine.app.options(at=datetime.now(UTC) + timedelta(hours=1)).start(single, "b")
        await engine.app.pause(waiting.id)
        assert engine.view(waiting).state is RunState.PAUSED
        await engine.app.resume(waiting.id)
        assert engine.view(waiting).state is RunState.QUEUED


async def test_worker_that_dies_before_the_pause_leaves_the_request_to_the_next(tmp_path):
    """The request is a fact of the run, not of its worker."""
    held = HeldStep()
    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> list[str]:
            return [await run.step(held.pass_through, "first"), await run.step(held.pass_through, "second")]

    world = World(tmp_path)
    async with world.engine(registry) as first:
        run = await first.start(two)
        await held.entered.wait()
        await first.app.pause(run.id)
        dead = first.working.store.session
        await first.die()
        async with world.engine(registry) as second:
            await world.declare_dead(second, dead)
            await second.until(run, RunState.PAUSED)
            assert held.calls == ["first"]
            held.open.set()
            await second.app.resume(run.id)
            assert await second.until(run, RunState.SUCCEEDED)
    assert held.calls == ["first", "first", "second"]


async def test_cancel_of_a_paused_run_lets_its_code_clean_up(tmp_path):
    """The cancel resumes it for that."""
    tidied: list[str] = []

    async def tidy() -> None:
        tidied.append("done")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            try:
                await run.receive("never")
            finally:
                async with run.shield():
                    await run.step(tidy)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.pause(run.id)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert tidied == ["done"]


async def test_parent_waits_for_its_paused_child(tmp_path):
    """What the child receives while it is paused is there when it is resumed."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> str:
            return str(await run.receive("go"))

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            return await run.child(child)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(parent)
        (paused,) = await engine.when(
            lambda: engine.history(run).children,
            lambda children: [c.state for c in children] == [RunState.WAITING],
        )
        await engine.app.pause(paused.id)
        await engine.app.signal(paused.id, "go", "now")
        assert engine.view(paused.id).state is RunState.PAUSED
        await engine.app.resume(paused.id)
        assert await run.result() == "now"


async def test_resume_lets_the_other_branches_continue_at_once(tmp_path):
    """Not only when the attempt under way ends, which may take hours; a cancel, too."""
    held, done = HeldStep(), []

    async def note(text: str) -> None:
        done.append(text)

    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> None:
            async def receive() -> None:
                await run.step(note, str(await run.receive("go")))

            await asyncio.gather(run.step(held.pass_through, "long"), receive())

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(two)
        await held.entered.wait()
        await engine.app.pause(run.id)
        await until_it_pauses(engine, run)
        await run.signal("go", "signal")
        await engine.app.resume(run.id)
        await engine.when(lambda: done, lambda texts: texts == ["signal"])
        await engine.app.pause(run.id)
        await until_it_pauses(engine, run)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert done == ["signal"]

"""A body's timers when the clock is put back while it waits: the rest of their time stays, parked in memory and replayed alike."""

import asyncio
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import FakeClock
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING], ids=["suspended", "replayed"]),
]
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class SettableClock(FakeClock):
    """A clock beside seconds that no one can set: `advance` is time that passes, `put` sets the clock alone."""

    set_by = timedelta()

    def put(self, by: timedelta) -> None:
        self.set_by += by
        super().advance(by)

    def passed(self) -> float:
        return (timedelta(milliseconds=self.now()) - self.set_by).total_seconds()


async def _is_waiting(engine, run, question):
    """Wait until the run waits and its body has come so far."""
    await engine.when(lambda: (engine.view(run).state, question[-1]), lambda found: found[0] is RunState.WAITING)


@pytest.mark.parametrize("seconds", [1e15, 1e20, 1e308])
async def test_sleep_that_no_calendar_reaches_waits_like_any_other(tmp_path, settings, seconds):
    """It is due when calendars end."""
    with Registry() as registry:

        @ms.workflow
        async def patient(run: ms.Run) -> str:
            await asyncio.sleep(seconds)
            return "awake"

    async with World(tmp_path, FakeClock()).engine(registry, settings) as engine:
        handle = await engine.start(patient)
        assert (await engine.until(handle, RunState.WAITING)).due_at == LATEST_INSTANT


async def test_timers_before_and_after_a_step_end_when_their_time_has_passed(tmp_path, settings):
    """Run time stays ahead after the step; what is asked for then is counted from the newest outcome all the same."""
    with Registry() as registry:

        @ms.workflow
        async def sleeper(run: ms.Run) -> str:
            await asyncio.sleep(3 * 3600)
            await asyncio.sleep(600)
            return "awake"

    clock = SettableClock()
    async with World(tmp_path, clock).engine(registry, settings) as engine:
        handle = await engine.start(sleeper)
        first_at = (await engine.when(lambda: engine.view(handle), lambda view: view.due_at is not None)).due_at
        clock.advance(HOUR)
        clock.put(-2 * HOUR)
        await engine.pass_time(timedelta())
        moved = await engine.when(lambda: engine.view(handle), lambda view: view.due_at not in (None, first_at))
        assert moved.due_at == clock.now() + 2 * 3_600_000
        await engine.pass_time(2 * HOUR)
        second = await engine.when(
            lambda: engine.view(handle), lambda view: view.due_at not in (None, moved.due_at) and view.steps == 1
        )
        assert second.due_at == clock.now() + 600_000
        await engine.pass_time(10 * MINUTE)
        assert (await engine.until(handle, RunState.SUCCEEDED)).finished_at == clock.now()


async def test_question_put_while_run_time_is_ahead_ends_in_time(tmp_path, settings):
    """The clock was put back before the step that comes before the question ended."""
    with Registry() as registry:

        @ms.step
        def act() -> None: ...

        @ms.workflow
        async def requests(run: ms.Run) -> str:
            await asyncio.sleep(60)
            await run.step(act)
            return await run.ask("Go?", choices=["yes"], within="10m", otherwise="late")

    clock = SettableClock()
    async with World(tmp_path, clock).engine(registry, settings) as engine:
        handle = await engine.start(requests)
        await engine.when(lambda: engine.view(handle), lambda view: view.due_at is not None)
        clock.put(-2 * HOUR)
        await engine.pass_time(MINUTE)
        question = await engine.when(
            lambda: engine.view(handle), lambda view: view.state is RunState.WAITING and view.steps == 2
        )
        (wait,) = engine.history(handle).waits
        assert question.due_at == wait.until_at == clock.now() + 600_000
        await engine.pass_time(10 * MINUTE)
        await engine.until(handle, RunState.SUCCEEDED)
        assert await handle.result(timeout=10) == "late"


async def test_attempt_that_runs_while_the_clock_is_put_back_gets_its_start_mark(tmp_path, settings):
    """Its begin lies ahead of the clock then: it has run for as long as it has run."""
    started = asyncio.Event()
    with Registry() as registry:

        @ms.task
        async def act() -> None:
            started.set()
            await asyncio.Event().wait()

        @ms.workflow
        async def operate(run: ms.Run) -> None:
            await run.step(act)

    clock = SettableClock()
    async with World(tmp_path, clock).engine(registry, settings) as engine:
        for automation in (act, operate):
            started.clear()
            handle = await engine.start(automation)
            await started.wait()
            clock.put(-2 * HOUR)
            await engine.pass_time(timedelta())
            await engine.when(lambda: engine.working.clock.now(), lambda now: now == clock.now())
            await engine.pass_time(timedelta(seconds=2))
            await engine.when(lambda run=handle: engine.history(run).attempts, bool)

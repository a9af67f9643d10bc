"""Four kinds of limit, never mixed: attempt, deadline of the run, wait, drain. And where a `def` step runs."""

import asyncio
import os
import threading

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


async def test_timeout_ends_an_attempt_and_the_next_one_follows(tmp_path):
    """The limit is one attempt's: the policy decides what comes after."""
    attempts: list[int] = []

    async def slow_once() -> str:
        attempts.append(ms.attempt())
        if len(attempts) == 1:
            await asyncio.Event().wait()
        return "done"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(timeout="300ms", retry={"attempts": 2, "initial": "10ms"}).step(slow_once)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(work)).result(60) == "done"
    assert attempts == [1, 2]


async def test_timeouts_that_outlast_the_policy_fail_the_run(tmp_path):
    """The reason says that retries are exhausted, the failure that it was a time-out."""

    async def slow() -> None:
        await asyncio.Event().wait()

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(timeout="20ms", retry=1).step(slow)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.RETRIES_EXHAUSTED
    assert "timeout" in view.failure.code


async def test_deadline_ends_a_run_that_waits(tmp_path):
    """Waiting counts; the run fails with that reason even while unloaded."""
    with Registry() as registry:

        @ms.workflow(deadline="50ms")
        async def patient(run: ms.Run) -> None:
            await run.receive("never", within="1h")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        view = await engine.until(await engine.start(patient), RunState.FAILED)
    assert view.reason == FailureReason.DEADLINE


async def test_deadline_stops_a_step_that_is_under_way(tmp_path):
    """The deadline does not wait for an attempt."""

    async def slow() -> None:
        await asyncio.Event().wait()

    with Registry() as registry:

        @ms.workflow(deadline="50ms")
        async def busy(run: ms.Run) -> None:
            await run.step(slow)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(busy), RunState.FAILED)
    assert view.reason == FailureReason.DEADLINE


async def test_person_continues_a_run_with_a_new_deadline(tmp_path):
    """Retried, the passed deadline no longer counts."""
    release = asyncio.Event()

    async def gated() -> str:
        await release.wait()
        return "through"

    with Registry() as registry:

        @ms.workflow(deadline="50ms")
        async def busy(run: ms.Run) -> str:
            return await run.step(gated)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(busy)
        await engine.until(run, RunState.FAILED)
        release.set()
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b'"through"'


async def test_within_ends_one_wait_and_the_body_continues(tmp_path):
    """It is an ordinary TimeoutError where the wait stands."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> list[str]:
            found = []
            for wait in (
                lambda: run.receive("s", within="10ms"),
                lambda: run.event("e", within="10ms"),
                lambda: run.ask("q", within="10ms"),
            ):
                try:
                    await wait()
                except TimeoutError as error:
                    found.append(type(error).__name__)
            return found

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        assert await (await engine.start(waits)).result(60) == ["TimeoutError"] * 3


async def test_wait_without_a_timeout_ends_after_seven_days(tmp_path):
    """No wait is without an end, and the end is on the run's row."""
    import msgspec

    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> None:
            await run.receive("never")

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(waits), RunState.WAITING)
    assert view.due_at is not None
    assert view.due_at - view.created_at == pytest.approx(7 * 86_400_000, abs=5_000)
    assert msgspec.json.decode(view.waiting_for)[0]["until_at"] == view.due_at


async def test_drain_lets_an_attempt_end_and_gives_the_run_back_unharmed(tmp_path):
    """The finished step counts; the next engine continues with the one after it."""
    world = World(tmp_path)
    entered, go = asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    async def first() -> str:
        entered.set()
        await go.wait()
        calls.append("first")
        return "1"

    async def second() -> str:
        calls.append("second")
        return "2"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.step(first) + await run.step(second)

    async with world.engine(registry) as engine:
        run = await engine.start(work)
        await entered.wait()
        draining = asyncio.ensure_future(engine.working.drain(5))
        await asyncio.sleep(0)
        go.set()
        await draining
        assert engine.view(run).state is RunState.QUEUED
        assert calls == ["first"]
    async with world.engine(registry) as engine:
        view = await engine.until(run.id, RunState.SUCCEEDED)
    assert view.result == b'"12"'
    assert view.crashes == 0
    assert calls == ["first", "second"]


async def test_drain_stops_what_does_not_end_in_time_and_it_runs_again_elsewhere(tmp_path):
    """Stopped by us is no failure: nothing is counted against the policy."""
    world = World(tmp_path)
    entered, go = asyncio.Event(), asyncio.Event()
    attempts: list[int] = []

    async def stuck() -> str:
        attempts.append(ms.attempt())
        entered.set()
        await go.wait()
        return "done"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(retry=1).step(stuck)

    async with world.engine(registry) as engine:
        run = await engine.start(work)
        await entered.wait()
        await engine.working.drain(0.02)
        assert engine.view(run).state is RunState.QUEUED
    go.set()
    async with world.engine(registry) as engine:
        view = await engine.until(run.id, RunState.SUCCEEDED, RunState.FAILED)
    assert view.state is RunState.SUCCEEDED
    assert len(attempts) == 2


async def test_def_step_runs_in_a_thread_of_the_worker_by_default(tmp_path):
    """Quick and shared by default; never in the loop's own thread."""
    threads: list[str] = []

    def here() -> int:
        threads.append(threading.current_thread().name)
        return os.getpid()

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return await run.step(here)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(work)).result(60) == os.getpid()
    assert threads != [threading.main_thread().name]


async def test_def_step_with_isolate_process_runs_in_a_child(tmp_path):
    """A warm child process, not the worker."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return await run.options(isolate="process").step(engine_steps.where)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(work)).result(60) != os.getpid()


async def test_closure_that_needs_a_child_process_is_refused_with_the_fix(tmp_path):
    """What another process cannot import fails at once and says how to fix it."""

    def local() -> None: ...

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(timeout="1s").step(local)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert "local" in view.failure.message
    assert view.failure.hint or (view.failure.cause and view.failure.cause.hint)


async def test_peer_prefect_15760_timed_out_def_step_is_dead_within_a_second(tmp_path):
    """PEERS 18: a time-out of a `def` step really stops it; its process is gone."""
    sign = tmp_path / "sign"
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(timeout="5s", retry=1).step(engine_steps.sleep_long, str(sign))

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
        pid = int(sign.read_text())
        assert view.reason == FailureReason.RETRIES_EXHAUSTED
        assert view.finished_at - view.started_at < 100_000, "it slept to its end"
        await engine.when(lambda: _alive(pid), lambda alive: not alive)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

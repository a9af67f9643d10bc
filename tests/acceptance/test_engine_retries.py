"""What follows a failed attempt: when, how often, and what people see meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import tenacity

import mainspring as ms
from mainspring.domain.states import AttemptState, FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


class Flaky:
    """Fails with what it is given, one a call, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def call(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "ok"


def calling(flaky: Flaky, **options: object) -> tuple[Registry, object]:
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(name="call", **options).step(flaky.call)  # type: ignore[arg-type]

    return registry, work


async def test_next_attempt_has_a_committed_time_that_people_see(tmp_path):
    """While it waits the run is `retrying`, due at that instant, with the error of the last attempt on record."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    flaky = Flaky(ms.Transient("busy"))
    registry, work = calling(flaky, retry={"attempts": 3, "initial": "2h", "max": "2h", "jitter": False})
    async with World(tmp_path, clock).engine(registry, AT_ONCE) as engine:
        run = await engine.start(work)
        view = await engine.until(run, RunState.RETRYING)
        assert view.due_at == clock.now() + 7_200_000
        (attempt,) = engine.history(run).attempts
        assert (attempt.state, attempt.next_at, attempt.failure.message) == (AttemptState.FAILED, view.due_at, "busy")
        assert msgspec.json.decode(view.waiting_for)[0]["kind"] == "retry"
        await engine.pass_time(timedelta(hours=2))
        assert await run.result(60) == "ok"
    assert flaky.calls == 2


async def test_retry_after_is_obeyed_over_the_policy(tmp_path):
    """What the other side asks for counts, however short the policy's own wait is."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    flaky = Flaky(ms.Transient("slow down", retry_after="10m"))
    registry, work = calling(flaky, retry={"attempts": 3, "initial": "1s", "jitter": False})
    async with World(tmp_path, clock).engine(registry, AT_ONCE) as engine:
        view = await engine.until(await engine.start(work), RunState.RETRYING)
    assert view.due_at >= clock.now() + 600_000


async def test_next_attempt_keeps_its_time_when_the_worker_is_another_one(tmp_path):
    """A new process does not try early, and numbers continue."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    world, flaky = World(tmp_path, clock), Flaky(ms.Transient("busy"))
    registry, work = calling(flaky, retry={"attempts": 3, "initial": "1h", "max": "1h", "jitter": False})
    async with world.engine(registry, AT_ONCE) as engine:
        run = await engine.start(work)
        before = await engine.until(run, RunState.RETRYING)
    async with world.engine(registry, AT_ONCE) as engine:
        await engine.pass_time(timedelta(minutes=59))
        assert engine.view(run.id).due_at == before.due_at
        assert flaky.calls == 1
        await engine.pass_time(timedelta(minutes=1))
        await engine.until(run.id, RunState.SUCCEEDED)
        assert engine.history(run.id).outcomes[0].attempt == 2


async def test_next_attempt_continues_from_the_checkpoint_of_the_one_before(tmp_path):
    """In the same process as in another one: what an attempt saved before it failed is what the next one finds."""
    found: list[object] = []

    async def partly() -> str:
        found.append(ms.last_checkpoint())
        await ms.checkpoint(len(found))
        if len(found) < 3:
            raise ms.Transient("not yet")
        return "ok"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(retry={"attempts": 3, "initial": "1ms"}).step(partly)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(work)).result(30) == "ok"
    assert found == [None, 1, 2]


@pytest.mark.parametrize("from_step", [None, "partly#1"])
async def test_continued_step_continues_from_its_checkpoint_and_a_new_generation_does_not(tmp_path, from_step):
    """A run that is continued after its step had failed for good continues there; one that does the step again begins from nothing."""
    found: list[object] = []

    async def partly() -> str:
        found.append(ms.last_checkpoint())
        await ms.checkpoint(len(found))
        if len(found) < 2:
            raise ms.Permanent("not this time")
        return "ok"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.step(partly)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        if from_step is None:
            await engine.app.retry(run.id)
        else:
            await engine.act(run_recovery.retry_from, run.id, from_step)
        await engine.until(run, RunState.SUCCEEDED)
        assert engine.history(run).checkpoints == {}
    assert found == [None, 1 if from_step is None else None]


async def test_step_that_was_abandoned_starts_from_nothing_in_a_new_generation(tmp_path):
    """It has no outcome that could be superseded, but the checkpoint it left tells of work under another idempotency key."""
    found: dict[str, object] = {}
    tries = [1, 2]

    async def first() -> int:
        return 1

    async def slow() -> str:
        found[ms.idempotency_key()] = ms.last_checkpoint()
        await ms.checkpoint("half")
        if len(found) == 1:
            await asyncio.Event().wait()
        return "ok"

    async def bad() -> None:
        if tries.pop() == 2:
            while not engine.history(run).checkpoints:
                await asyncio.sleep(0.01)
            raise ms.Permanent("not this time")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.step(first)
            await asyncio.gather(run.step(slow), run.step(bad))

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        await engine.act(run_recovery.retry_from, run.id, "first#1")
        await engine.until(run, RunState.SUCCEEDED)
    assert list(found.values()) == [None, None]


async def test_suspended_run_knows_what_another_worker_tried_meanwhile(tmp_path):
    """An attempt that another worker made has no rank, but it counts: it is not made again under its number."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    world, numbers = World(tmp_path, clock), list[int]()

    async def refused() -> None:
        numbers.append(ms.attempt())
        raise ms.Transient("busy")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(retry={"attempts": 3, "initial": "1h", "max": "1h", "jitter": False}).step(refused)

    async with world.engine(registry, AT_ONCE) as first:
        run = await first.start(work)
        await first.until(run, RunState.RETRYING)
        async with world.engine(registry, AT_ONCE) as second:
            await second.pass_time(timedelta(hours=1))
            await second.when(lambda: len(numbers), lambda count: count == 2)
            await second.until(run.id, RunState.RETRYING)
        await first.pass_time(timedelta(hours=1))
        await first.until(run, RunState.FAILED)
    assert numbers == [1, 2, 3]


async def test_permanent_error_is_not_tried_again(tmp_path):
    """One call, and the run says that it was a permanent error with its hint."""
    flaky = Flaky(ms.Permanent("no such account", hint="Create it."), ms.Transient("never seen"))
    registry, work = calling(flaky)
    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert flaky.calls == 1
    assert (view.reason, view.failure.hint) == (FailureReason.PERMANENT_ERROR, "Create it.")


async def test_programming_errors_are_permanent(tmp_path):
    """A TypeError does not get better by waiting."""
    flaky = Flaky(TypeError("int is not callable"))
    registry, work = calling(flaky)
    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert (flaky.calls, view.reason) == (1, FailureReason.PERMANENT_ERROR)


async def test_peer_temporal_40_retries_are_bounded_by_default(tmp_path):
    """PEERS 15: without any policy an ever failing step ends after five attempts, each later than the one before."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    flaky = Flaky(*[ConnectionError("refused")] * 50)
    registry, work = calling(flaky)
    async with World(tmp_path, clock).engine(registry, AT_ONCE) as engine:
        run = await engine.start(work)
        for number in range(1, 5):
            await engine.when(lambda: flaky.calls, lambda calls, n=number: calls == n)
            await engine.until(run, RunState.RETRYING)
            await engine.pass_time(timedelta(hours=1))
        view = await engine.until(run, RunState.FAILED)
    assert flaky.calls == 5
    assert view.reason == FailureReason.RETRIES_EXHAUSTED


async def test_failed_run_continues_from_the_failed_step_with_new_attempts(tmp_path):
    """A person's retry gives the step its whole policy again, and numbers continue."""
    flaky = Flaky(ms.Transient("a"), ms.Transient("b"))
    registry, work = calling(flaky, retry={"attempts": 2, "initial": "5ms"})
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        await engine.app.retry(run.id)
        await engine.until(run, RunState.SUCCEEDED)
        assert engine.history(run).outcomes[-1].attempt == 3


async def test_error_that_the_body_handles_does_not_fail_the_run(tmp_path):
    """A step's failure is an exception where it was awaited."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            try:
                return await run.step(Flaky(ms.Permanent("no")).call)
            except ms.StepFailed as error:
                return f"handled {error.failure.message}"

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(work)).result(60) == "handled no"


class BankError(Exception):
    """An error of a library, which says what it is by a class and an attribute."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def bank_refuses(code: str) -> str:
    """A step that any child process can import."""
    raise BankError(code)


@pytest.mark.parametrize("where", ["loop", "thread", "process"])
async def test_wait_and_stop_predicates_get_the_exception_of_the_step(tmp_path, where):
    """tenacity's policies are asked with the error itself, wherever the step ran; one of a child process is rebuilt."""
    seen: list[BaseException] = []

    async def in_loop(code: str) -> str:
        return bank_refuses(code)

    def stop(state: tenacity.RetryCallState) -> bool:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert error is not None
        seen.append(error)
        return state.attempt_number == 2

    def wait(state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        return 0 if isinstance(state.outcome.exception(), BankError) else 3600

    fn: Any = in_loop if where == "loop" else bank_refuses
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            policy = ms.Retry(wait=wait, stop=stop)
            isolate: Any = None if where == "loop" else where
            return await run.options(retry=policy, isolate=isolate).step(fn, "closed")

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.RETRIES_EXHAUSTED
    assert [(type(error), getattr(error, "code", None), error.args) for error in seen] == [
        (BankError, "closed", ("closed",))
    ] * 2


@pytest.mark.parametrize("option", ["timeout", "heartbeat"])
async def test_a_time_out_reaches_the_predicates_as_a_time_out(tmp_path, option):
    """It was never raised by the step, but it is what failed."""
    seen: list[BaseException | None] = []

    async def endless() -> None:
        await asyncio.Event().wait()

    def stop(state: tenacity.RetryCallState) -> bool:
        assert state.outcome is not None
        seen.append(state.outcome.exception())
        return True

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            limit: Any = {option: "10ms"}
            await run.options(**limit, retry=ms.Retry(stop=stop)).step(endless)

    async with World(tmp_path).engine(registry) as engine:
        await engine.until(await engine.start(work), RunState.FAILED)
    assert [type(error) for error in seen] == [TimeoutError]


@pytest.mark.parametrize("method", ["call", "step", "workflow", "task"])
async def test_an_explicit_retry_wins_over_what_the_table_calls_permanent(tmp_path, method):
    """Who writes retry= knows the step better than a table of classes; without it there is one attempt."""
    flaky, policy = Flaky(ValueError("not yet"), KeyError("b")), ms.Retry(attempts=3, initial="1ms")

    async def call() -> str:
        return await flaky.call()

    with Registry() as registry:

        @ms.workflow(name="explicit", retry=policy if method == "workflow" else None)
        async def explicit(run: ms.Run) -> str:
            step: Any = ms.step(retry=policy)(call) if method == "step" else call
            return await (run.options(retry=policy) if method == "call" else run).step(step)

        @ms.task(retry=policy)
        async def task() -> str:
            return await flaky.call()

        @ms.workflow
        async def left_open(run: ms.Run) -> str:
            return await run.step(call)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(task if method == "task" else explicit)).result(60) == "ok"
        assert flaky.calls == 3
        flaky.errors.append(ValueError("no"))
        view = await engine.until(await engine.start(left_open), RunState.FAILED)
    assert view.reason == FailureReason.PERMANENT_ERROR
    assert flaky.calls == 4


async def test_permanent_error_of_a_step_overrides_its_retry(tmp_path):
    """`ms.Permanent` is explicit too, and nearer to the error; so is a rule of the project's own."""
    flaky = Flaky(ms.Permanent("no"))
    registry, work = calling(flaky, retry=5)
    async with World(tmp_path).engine(registry) as engine:
        await engine.until(await engine.start(work), RunState.FAILED)
    assert flaky.calls == 1
    rule = ms.Classifier([lambda error: ms.Verdict.permanent("ours")])
    assert ms.Retry(5).delay_after(1, elapsed=timedelta(0), verdict=rule.classify(ValueError()), seed="") is None

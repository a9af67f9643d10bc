"""How often a step's effect takes place: at least once, at most once, and what a person can say when no one knows."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.store.effect_database import EarlierAttemptError
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


class Target:
    """Something outside: remembers the keys under which it was asked to act."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.attempts: list[int] = []
        self.reached = asyncio.Event()
        self.hang = False
        self.error: Exception | None = None

    async def act(self, amount: int) -> int:
        self.keys.append(ms.idempotency_key())
        self.attempts.append(ms.attempt())
        self.reached.set()
        if self.hang:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return amount * 2


def payments(target: Target, **options: object) -> tuple[Registry, object]:
    with Registry() as registry:

        @ms.workflow
        async def pay(run: ms.Run, amount: int) -> int:
            return await run.options(name="charge", **options).step(target.act, amount)  # type: ignore[arg-type]

    return registry, pay


async def killed_inside(world: World, target: Target, **options: object) -> tuple[Registry, object, str, int]:
    """Start a payment and lose the worker while its step is under way."""
    registry, pay = payments(target, **options)
    target.hang = True
    async with world.engine(registry) as engine:
        run = await engine.start(pay, 5)
        await target.reached.wait()
        session = engine.working.store.session
        await engine.die()
    target.hang = False
    assert session is not None
    return registry, pay, run.id, session


async def test_step_at_least_once_runs_again_under_the_same_key_after_its_worker_died(tmp_path):
    """The receiver sees the call twice and can tell that it is the same one."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target)
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b"10"
    assert len(target.keys) == 2
    assert len(set(target.keys)) == 1


async def test_step_at_most_once_is_not_repeated_after_its_worker_died(tmp_path):
    """No one knows what happened, so a person is asked; the target is left alone."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.IN_DOUBT
        assert len(target.keys) == 1
        assert "may or may not" in view.failure.message


async def test_result_given_by_hand_continues_a_step_in_doubt(tmp_path):
    """The body continues with the given value as if the step had returned it."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.give(run, b"77")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b"77"
    assert len(target.keys) == 1


async def test_result_of_a_wrong_type_leaves_the_step_unsettled_and_never_repeats_it(tmp_path):
    """Where it is given, the code is not at hand; where it is read, it asks a person again, and the right one is taken."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.give(run, b'"seventy-seven"')
        view = await engine.when(
            lambda: engine.view(run),
            lambda v: v.state is RunState.NEEDS_ATTENTION and v.reason == FailureReason.VALUE_REFUSED,
        )
        assert "set by hand cannot be saved or read: Expected `int`, got `str`" in view.failure.message
        with pytest.raises(ConflictError, match="charge"):
            await engine.app.retry(run)
        await engine.give(run, b"77")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b"77"
    assert len(target.keys) == 1


async def test_result_given_by_hand_for_a_failed_step_is_read_by_its_type_too(tmp_path):
    """A step that is no longer in doubt but failed: what a person gives for it fits, or is asked for again."""
    world, target = World(tmp_path), Target()
    registry, pay = payments(target)
    target.error = ms.Permanent("no such account")
    async with world.engine(registry) as engine:
        run = await engine.start(pay, 5)
        await engine.until(run, RunState.FAILED)
        await engine.give(run, b"[1]", "charge")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.VALUE_REFUSED
        await engine.give(run, b"8")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b"8"
    assert len(target.keys) == 1


async def test_step_in_doubt_can_be_run_again_under_its_old_key(tmp_path):
    """A receiver that knows keys still acts once."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.act(run_recovery.run_again, run)
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b"10"
    assert len(target.keys) == 2
    assert len(set(target.keys)) == 1
    assert target.attempts == [1, 2]


async def test_plain_retry_of_a_run_in_doubt_is_refused(tmp_path):
    """`retry`, single or in bulk, continues a run; only a word about that step may repeat its effect."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        with pytest.raises(ms.MainspringError, match="may or may not have had its effect"):
            await engine.app.retry(run)
        assert engine.view(run).state is RunState.NEEDS_ATTENTION
    assert len(target.keys) == 1


async def test_any_error_of_an_at_most_once_step_is_in_doubt(tmp_path):
    """An exception after the start proves nothing about the effect."""
    world, target = World(tmp_path), Target()
    target.error = ConnectionResetError("cut off")
    registry, pay = payments(target, delivery="at_most_once")
    async with world.engine(registry) as engine:
        run = await engine.start(pay, 1)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.IN_DOUBT
        outcome = engine.history(run).outcomes[-1]
    assert outcome.state is OutcomeState.IN_DOUBT
    assert len(target.keys) == 1


async def test_proof_that_nothing_was_sent_lets_an_at_most_once_step_try_again(tmp_path):
    """A refused connection and `ms.NotSent` are such proofs; `retry=` applies to them."""
    world, target = World(tmp_path), Target()
    target.error = ms.NotSent("the queue was closed")
    registry, pay = payments(target, delivery="at_most_once", retry={"attempts": 2, "initial": "10ms"})
    async with world.engine(registry) as engine:
        run = await engine.start(pay, 1)
        await target.reached.wait()
        target.error = None
        view = await engine.until(run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION)
    assert view.state is RunState.SUCCEEDED
    assert target.attempts == [1, 2]


async def test_committed_step_is_never_called_again_when_the_worker_dies_later(tmp_path):
    """What is saved is handed over; only what was under way is repeated."""
    world, target, second = World(tmp_path), Target(), Target()
    second.hang = True
    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> list[int]:
            first = await run.options(name="first").step(target.act, 1)
            return [first, await run.options(name="second").step(second.act, first)]

    async with world.engine(registry) as engine:
        run = await engine.start(two)
        await second.reached.wait()
        session = engine.working.store.session
        await engine.die()
    second.hang = False
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        assert await engine.until(run, RunState.SUCCEEDED)
        assert engine.view(run).result == b"[2,4]"
    assert len(target.keys) == 1
    assert len(second.keys) == 2


async def test_lost_attempt_is_on_record_and_does_not_count_against_the_policy(tmp_path):
    """With `attempts=1` a step whose worker died still gets its try."""
    world, target = World(tmp_path), Target()
    registry, _, run, session = await killed_inside(world, target, retry={"attempts": 1})
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, session)
        view = await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)
    assert view.state is RunState.SUCCEEDED


async def test_attempt_that_a_drain_stopped_is_lost_and_does_not_count(tmp_path):
    """Anyone who continues finds it on record as what it is, and its one try is still there."""
    world, target = World(tmp_path), Target()
    target.hang = True

    async def act() -> int:
        ms.progress(1, 2)  # worth telling of, so it has its mark
        return await target.act(5)

    with Registry() as registry:

        @ms.workflow
        async def pay(run: ms.Run) -> int:
            return await run.options(name="charge", retry={"attempts": 1}).step(act)

    async with world.engine(registry) as engine:
        run = await engine.start(pay)
        await target.reached.wait()
        await engine.when(lambda: engine.history(run).attempts, len)
        await engine.working.close(drain=0.01)
    target.hang = False
    async with world.engine(registry) as engine:
        assert await engine.until(run.id, RunState.SUCCEEDED, RunState.FAILED)
        (lost,) = engine.history(run.id).attempts
    assert (lost.attempt, lost.state, lost.next_at) == (1, AttemptState.LOST, None)
    assert target.attempts == [1, 2]


class Behind:
    """Stands for a database where an earlier attempt is still being ended, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self) -> str:
        self.times -= 1
        if self.times >= 0:
            raise EarlierAttemptError("another attempt of this step is still running")
        return "done"

    def abandon(self) -> None:
        """Nothing is open."""


async def test_attempt_that_an_earlier_one_is_in_the_way_of_does_not_count(tmp_path):
    """It did nothing: it is lost, and comes again with a pause that grows, as often as it takes."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    with Registry() as registry:

        @ms.task(delivery="transactional", retry={"attempts": 1})
        def pay(tx: ms.Tx) -> str:
            return "never called"

    async with World(tmp_path, clock).engine(registry, AT_ONCE) as engine:
        behind = Behind(3)
        engine.working.worker._transactional = lambda spec: behind
        run = await engine.start(pay)
        for pause in (1, 2, 4):
            due_at = clock.now() + pause * 1000
            await engine.when(
                lambda: engine.view(run), lambda v, at=due_at: (v.state, v.due_at) == (RunState.RETRYING, at)
            )
            await engine.pass_time(timedelta(seconds=pause))
        assert await run.result(60) == "done"
        assert [a.state for a in engine.history(run).attempts] == [AttemptState.LOST] * 3

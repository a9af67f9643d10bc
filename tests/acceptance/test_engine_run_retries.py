"""`retry=` of runs and children: a run that failed continues by itself, and is reported only after its last try."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.attempts.step_context import idempotency_key
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio
CALLS: list[tuple[str, str]] = []
POLICY = ms.Retry(3, initial="10ms", max="10ms")


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


async def book(name: str) -> str:
    CALLS.append((name, idempotency_key()))
    return name


@ms.step(retry=ms.Retry(1))
async def pay(times: int) -> str:
    CALLS.append(("pay", idempotency_key()))
    if sum(name == "pay" for name, _ in CALLS) <= times:
        raise ms.Transient("the bank is closed")
    return "paid"


@ms.step(retry=ms.Retry(1))
async def refuse(name: str) -> str:
    CALLS.append((name, ""))
    raise ms.Permanent("no such account")


def build(failures: int) -> tuple[Registry, object, object]:
    with Registry() as registry:

        @ms.workflow(name="order")
        async def order(run: ms.Run) -> str:
            await run.step(book, "hotel")
            return await run.step(pay, failures)

        @ms.workflow(name="trip")
        async def trip(run: ms.Run) -> str:
            return await run.options(retry=POLICY).child(order)

    return registry, order, trip


def names() -> list[str]:
    return [name for name, _ in CALLS]


def open_failures(engine) -> list[tuple[str, ...]]:
    return engine.working.store.reader.read_text("select run from failures", ())


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_failed_run_continues_from_its_failure_under_the_same_keys(tmp_path, settings):
    """What succeeded stays; the failed step is called again with its key; no failure is on record, and the handle gets the result."""
    registry, order, _ = build(2)
    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.app.options(retry=POLICY).start(order)
        assert await run.result(60) == "paid"
        assert names() == ["hotel", "pay", "pay", "pay"]
        assert len({key for name, key in CALLS if name == "pay"}) == 1
        assert open_failures(engine) == []
        assert engine.view(run).generation == 0


async def test_restart_begins_again_in_a_new_generation(tmp_path):
    """All steps are called again, with other keys."""
    registry, order, _ = build(1)
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        policy = ms.Retry(2, initial="10ms", max="10ms", restart=True)
        run = await engine.app.options(retry=policy).start(order)
        assert await run.result(60) == "paid"
        assert names() == ["hotel", "pay", "hotel", "pay"]
        assert len({key for _, key in CALLS}) == 4
        assert engine.view(run).generation == 1


async def test_run_is_reported_once_after_its_last_try(tmp_path):
    """Then it has failed, as any run."""
    registry, order, _ = build(9)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.app.options(retry=POLICY).start(order)
        view = await engine.until(run, RunState.FAILED)
        assert view.reason == FailureReason.RETRIES_EXHAUSTED
        assert names() == ["hotel", *["pay"] * 3]
        assert open_failures(engine) == [(run.id,)]


async def test_child_is_retried_before_its_parent_receives_a_failure(tmp_path):
    """The parent waits."""
    registry, _, trip = build(2)
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        assert await (await engine.start(trip)).result(60) == "paid"
        assert names() == ["hotel", "pay", "pay", "pay"]


async def test_undone_steps_are_done_again(tmp_path):
    """With `on_failure="undo"` each failure undoes the steps, and the next try begins with them, under other keys."""

    async def unbook(name: str, result: str) -> None:
        CALLS.append((f"undo {name}", ""))

    with Registry() as registry:

        @ms.workflow(on_failure="undo")
        async def order(run: ms.Run) -> str:
            await run.step(book, "insurance")
            await run.options(undo=unbook).step(book, "hotel")
            return await run.step(pay, 1)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.app.options(retry=POLICY).start(order)
        assert await run.result(60) == "paid"
        assert names() == ["insurance", "hotel", "pay", "undo hotel", "hotel", "pay"]
        assert engine.view(run).generation == 1


@pytest.mark.parametrize("end", ["permanent", "rollback"])
async def test_end_that_the_code_decides_is_not_retried(tmp_path, end):
    """`ms.Permanent` and a rollback are decisions of the code."""
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> None:
            if end == "rollback":
                await run.rollback("no")
            await run.step(refuse, "pay")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.app.options(retry=POLICY).start(order)
        await engine.until(run, RunState.FAILED)
        assert names() == ([] if end == "rollback" else ["pay"])


async def test_explain_names_the_failure_and_the_next_try(tmp_path):
    """While it waits the run is `retrying`, with its last failure and the time; a deadline that comes first ends it."""
    registry, order, _ = build(9)
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    async with World(tmp_path, clock).engine(registry) as engine:
        policy = ms.Retry(3, initial="1h", max="1h", jitter=False)
        run = await engine.app.options(retry=policy).start(order)
        view = await engine.until(run, RunState.RETRYING)
        assert view.due_at == clock.now() + 3_600_000
        text = " ".join(engine.explain(run).what)
        assert "the bank is closed" in text
        assert "attempt 2 of 3" in text
        await engine.pass_time(timedelta(hours=1))
        await engine.when(names, lambda calls: calls.count("pay") == 2)


@ms.step(delivery="at_most_once")
async def charge() -> None:
    CALLS.append(("charge", idempotency_key()))
    await asyncio.sleep(600)


@ms.step(retry=1)
async def fail_after_charge() -> None:
    while not CALLS:
        await asyncio.sleep(0.001)
    raise ms.Transient("the bank is closed")


@pytest.mark.parametrize(("restart", "end"), [(True, RunState.FAILED), (False, RunState.NEEDS_ATTENTION)])
async def test_step_with_an_unknown_outcome_is_never_repeated_by_a_retry(tmp_path, restart, end):
    """A restart would repeat it under another key, so the run fails; a run that continues asks a person about it."""
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> None:
            await asyncio.gather(run.step(charge), run.step(fail_after_charge))

    async with World(tmp_path).engine(registry) as engine:
        policy = ms.Retry(3, initial="10ms", max="10ms", restart=restart)
        run = await engine.app.options(retry=policy).start(order)
        view = await engine.until(run, RunState.FAILED, RunState.NEEDS_ATTENTION)
    assert (view.state, names()) == (end, ["charge"])


async def test_retry_of_a_run_of_one_step_repeats_the_step(tmp_path):
    """A task is a run, too: its own attempts are used up first."""
    with Registry() as registry:

        @ms.task(retry=1)
        async def single() -> str:
            CALLS.append(("single", idempotency_key()))
            if len(CALLS) < 3:
                raise ms.Transient("the bank is closed")
            return "paid"

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.app.options(retry=POLICY).start(single)).result(60) == "paid"
    assert len(set(CALLS)) == 1


async def test_policies_that_cannot_work_are_refused(tmp_path):
    """Objects cannot be stored with a run, and a step cannot restart its run."""
    registry, order, _ = build(0)
    with pytest.raises(OptionError, match="whole run"):
        ms.step(retry=ms.Retry(2, restart=True))(book)
    async with World(tmp_path).engine(registry) as engine:
        with pytest.raises(OptionError, match="cannot have objects"):
            await engine.app.options(retry=ms.Retry(2, stop=lambda _: False)).start(order)


@pytest.mark.parametrize("verb", ["child", "start"])
async def test_policy_of_a_child_that_cannot_be_stored_is_an_error_at_the_call(tmp_path, verb):
    """It names the option and what can be stored."""
    with Registry() as registry:

        @ms.workflow
        async def inner(run: ms.Run) -> None: ...

        @ms.workflow
        async def outer(run: ms.Run) -> str:
            with pytest.raises(OptionError, match=rf"run.{verb}\(inner, ...\) with objects") as refused:
                await getattr(run.options(retry=ms.Retry(2, stop=lambda _: False)), verb)(inner)
            return refused.value.hint or ""

    async with World(tmp_path).engine(registry) as engine:
        assert "attempts=" in await (await engine.start(outer)).result(60)

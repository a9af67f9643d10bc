"""One suite for the locks of steps in every place where a step can run: the engine's loop, a thread, a child process."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.states import RunState
from mainspring.engine.attempts.step_context import CURRENT_STEP, AttemptClosed
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import AcquireLock, BreakLock
from mainspring.store.commands.results import LockGranted
from mainspring.store.read.status.status import locks
from tests.acceptance.engine_world import Engine, World
from tests.contract import locking_steps as steps

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


@pytest.fixture(params=["loop", "thread", "process"])
def isolate(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def working(isolate: str, **options: Any) -> tuple[Registry, Any]:
    """Return a workflow of one step, which runs there: the step is named, and found in its form for that place."""
    place: Any = None if isolate == "loop" else isolate

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, name: str, args: list[str]) -> Any:
            fn: Callable[..., Any] = getattr(steps, f"{name}_async" if isolate == "loop" else name)
            options_of_run = run.options(isolate=place, retry=ms.Retry(attempts=1), **options)
            return await options_of_run.step(fn, *args)

    return registry, work


OWN = {"loop": "leave_async", "thread": "leave", "process": "leave"}


async def failure_of(engine: Engine, run: ms.Handle) -> Any:
    """Return why a run failed."""
    return (await engine.until(run, RunState.FAILED)).failure


def held(engine: Engine) -> list[tuple[str, str, int | None]]:
    views = locks(engine.working.store.reader)
    return [(view.name, view.owner, view.token) for view in views if view.place is None]


async def holding(engine: Engine, work: Any, file: Path, method: str = "hangs") -> Any:
    """Start a run whose step holds the lock."""
    run = await engine.start(work, "leave", [str(file), method])
    await engine.when(lambda: held(engine), bool)
    return run


async def test_one_attempt_at_a_time_is_inside_and_tokens_grow(tmp_path: Path, isolate: str) -> None:
    """Of many that want the lock none comes in before the one before it is out, and each has a higher token."""
    file = tmp_path / "notes"
    registry, work = working(isolate)
    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.start(work, "print_page", [str(file)]) for _ in range(6)]
        tokens = [await run.result(30) for run in runs]
        await engine.when(lambda: held(engine), lambda found: not found)
    assert sorted(tokens) == [1, 2, 3, 4, 5, 6]
    assert file.read_text().split("\n")[:-1] == [f"{way} {token}" for token in range(1, 7) for way in ("in", "out")]


@pytest.mark.parametrize("method", ["forgets", "raises"])
async def test_lock_is_released_at_the_end_of_the_attempt(tmp_path: Path, isolate: str, method: str) -> None:
    """However it ends, and whether or not its code releases; while it lasts people see who holds the lock."""
    registry, work = working(isolate)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work, "leave", [str(tmp_path / "notes"), method])
        await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)
        assert (tmp_path / "notes").read_text() == "in 1\n"
        await engine.when(lambda: held(engine), lambda found: not found)


async def test_lock_is_released_when_the_attempt_is_abandoned(tmp_path: Path, isolate: str) -> None:
    """A step that takes too long ends as its place has it, and the next one has the lock at once (of a thread, if attempts may overlap)."""
    registry, work = working(isolate, timeout="2s", overlap_attempts=isolate == "thread")
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work, "leave", [str(tmp_path / "notes"), "hangs"])
        ((name, owner, token),) = await engine.when(lambda: held(engine), bool)
        assert (name, owner, token) == (steps.NAME, f"{run.id}/{OWN[isolate]}#1 (attempt 1)", 1)
        await engine.until(run, RunState.FAILED)
        next_one = await engine.start(work, "print_page", [str(tmp_path / "notes")])
        assert await next_one.result(30) == 2


async def test_lock_of_a_thread_that_a_time_out_cannot_stop_is_held_until_it_ends(tmp_path: Path) -> None:
    """Its code may still be inside: no other attempt may have the lock beside it."""
    go = threading.Event()

    def inside() -> None:
        with ms.lock(steps.NAME):
            go.wait(60)

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(isolate="thread", heartbeat="200ms", retry=1).step(inside)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.working.worker.attempts.has_only_unstoppable, bool)
        assert [name for name, _, _ in held(engine)] == [steps.NAME]
        go.set()
        await engine.until(run, RunState.FAILED)
        await engine.when(lambda: held(engine), lambda found: not found)


async def test_code_that_a_time_out_cannot_stop_gets_nothing_more_and_keeps_what_it_holds(tmp_path: Path) -> None:
    """A lock of a backend: another request of such code is refused, and releases nothing that the code is still inside of."""
    go, refused, released = threading.Event(), threading.Event(), []
    seen: list[list[str]] = []

    def inside() -> None:
        step = CURRENT_STEP.get()
        assert step is not None
        channel = step.channel
        channel.at_end(lambda: released.append("first"))
        assert go.wait(60)
        try:
            channel.at_end(lambda: released.append("second"))
        except AttemptClosed:
            refused.set()
        seen.append([*released])

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(isolate="thread", heartbeat="200ms", retry=1).step(inside)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.working.worker.attempts.has_only_unstoppable, bool)
        go.set()
        await engine.until(run, RunState.FAILED)
    assert (refused.is_set(), seen, released) == (True, [[]], ["first"])


async def test_wait_has_an_end(tmp_path: Path, isolate: str) -> None:
    """Who may not wait learns who holds the lock, by an error that a retry policy takes for passing."""
    registry, work = working(isolate)
    async with World(tmp_path).engine(registry) as engine:
        await engine.working.apply(AcquireLock(steps.NAME, "a person"))
        failure = await failure_of(engine, await engine.start(work, "give_up", []))
        assert (failure.code, failure.kind) == ("lock_held", FailureKind.TRANSIENT)
        assert "is held by a person" in failure.message


async def test_lock_is_taken_once_by_an_attempt(tmp_path: Path, isolate: str) -> None:
    """To take it again inside would wait for oneself: that is an error, and what was taken is released."""
    registry, work = working(isolate)
    async with World(tmp_path).engine(registry) as engine:
        failure = await failure_of(engine, await engine.start(work, "take_twice", []))
        assert (failure.type, failure.code) == ("mainspring.ConflictError", "conflict"), (
            "the same class of error in every place"
        )
        assert "holds lock 'the printer' already" in failure.message
        await engine.when(lambda: held(engine), lambda found: not found)


async def test_lock_of_a_dead_worker_is_taken_over_with_its_death_declaration(tmp_path: Path) -> None:
    """Its session is declared dead, so the lock is free in that very commit, and the step that continues has a higher token."""
    world, file = World(tmp_path), tmp_path / "notes"
    registry, work = working("loop")
    async with world.engine(registry) as engine:
        run = await holding(engine, work, file)
        session = engine.working.store.session
        await engine.die()
    assert session is not None
    async with world.engine(registry) as engine:
        assert [token for _, _, token in held(engine)] == [1]
        await world.declare_dead(engine, session)
        await engine.when(lambda: [token for _, _, token in held(engine)], lambda found: found == [2])
        assert held(engine)[0][1].startswith(f"{run.id}/")


async def test_lock_that_was_broken_goes_to_who_waits(tmp_path: Path) -> None:
    """The old holder keeps a token that is lower than the new one's, and its end lets nothing of the new one go."""
    file = tmp_path / "notes"
    registry, work = working("loop")
    async with World(tmp_path).engine(registry) as engine:
        first = await holding(engine, work, file)
        second = await engine.start(work, "leave", [str(file), "hangs"])
        await engine.working.apply(BreakLock(steps.NAME))
        await engine.when(lambda: held(engine), lambda found: [token for _, _, token in found] == [2])
        await engine.app.cancel(first.id)
        await engine.until(first, RunState.CANCELLED)
        assert held(engine)[0][1].startswith(f"{second.id}/")


async def test_cancelled_waiter_gets_no_lock_later(tmp_path: Path, isolate: str) -> None:
    """A step that gave the wait up continues without, and leaves nothing behind that would take the lock for it."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            place: Any = None if isolate == "loop" else isolate
            return await run.options(isolate=place).step(steps.stop_waiting)

    async with World(tmp_path).engine(registry) as engine:
        answer = await engine.working.apply(AcquireLock(steps.NAME, "a person"))
        assert isinstance(answer, LockGranted)
        assert await (await engine.start(work)).result(30) == "gave up"
        await engine.working.apply(BreakLock(steps.NAME))
        await asyncio.sleep(0)
        assert held(engine) == []


async def test_lock_that_would_block_the_loop_is_refused(tmp_path: Path) -> None:
    """In an `async def` step a plain `with` would hold up all others: it is asked to write `async with`."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.step(steps.block_the_loop)

    async with World(tmp_path).engine(registry) as engine:
        failure = await failure_of(engine, await engine.start(work))
        assert "would block the event loop" in failure.message
        assert "async with" in failure.hint

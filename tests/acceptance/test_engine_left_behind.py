"""What a body leaves behind when it returns: calls that were never awaited, tasks, children that continue alone, async generators."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.body import identities, step_names
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.read.incidents import ungrouped_failures
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio
BOTH = pytest.mark.parametrize("settings", [None, REPLAYING], ids=["in memory", "with replay"])


class Mails:
    """A step that notes what it was called with."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    async def mail(self, number: int) -> int:
        self.sent.append(number)
        return number


UNAWAITED: dict[str, Callable[..., object]] = {
    "run.step(mail, ...)": lambda run, mail, child: run.step(mail, 1),
    "run.step(posted, ...)": lambda run, mail, child: run.options(name="posted").step(mail, 1),
    "run.map(mail, ...)": lambda run, mail, child: run.map(mail, [1, 2]),
    "run.child(child, ...)": lambda run, mail, child: run.options(close="keep").child(child),
    "run.receive(...)": lambda run, mail, child: run.receive("go"),
    "run.event(...)": lambda run, mail, child: run.event("paid"),
    "run.ask(...)": lambda run, mail, child: run.ask("sure?"),
    "run.rollback(...)": lambda run, mail, child: run.rollback("no"),
}


@BOTH
@pytest.mark.parametrize("named", list(UNAWAITED))
async def test_a_call_that_is_never_awaited_fails_the_run_and_names_its_line(tmp_path, named, settings):
    """The run does not succeed with a step that never happened; the error says which call, in which file and line."""
    mails, ask = Mails(), UNAWAITED[named]
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            return None

        @ms.workflow
        async def careless(run: ms.Run) -> str:
            await run.receive("begin")
            ask(run, mails.mail, child)
            return "done"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(careless)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "begin", 1)
        view = await engine.until(run, RunState.FAILED, RunState.SUCCEEDED)
    assert (view.state, view.reason) == (RunState.FAILED, FailureReason.BODY_ERROR)
    line = ask.__code__.co_firstlineno
    assert view.failure.message == (
        f"{named} ({__name__.rpartition('.')[2]}.py:{line} in <lambda>) was never awaited, so it did not happen"
    )
    assert "await" in view.failure.hint
    assert not mails.sent


async def test_several_unawaited_calls_are_named_together_and_a_started_one_is_not(tmp_path):
    """Three are shown, the others counted."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def careless(run: ms.Run) -> None:
            await run.step(mails.mail, 0)
            for number in range(1, 6):
                _ = run.options(name=f"mail{number}").step(mails.mail, number)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(careless), RunState.FAILED)
    assert view.failure.message.count("test_engine_left_behind.py:") == 3
    assert view.failure.message.endswith("and 2 more")
    assert mails.sent == [0]


async def test_an_error_or_a_cancel_is_recorded_with_an_unawaited_call(tmp_path):
    """Only a body that returned is blamed for what it did not await."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def broken(run: ms.Run) -> None:
            _ = run.step(mails.mail, 1)
            raise ms.Permanent("broken")

        @ms.workflow
        async def cancelled(run: ms.Run) -> None:
            _ = run.step(mails.mail, 1)
            await run.receive("never")

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(broken), RunState.FAILED)
        assert (view.failure.message, view.reason) == ("broken", FailureReason.PERMANENT_ERROR)
        run = await engine.start(cancelled)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)


async def test_a_closed_coroutine_or_a_cancelled_task_is_not_missed(tmp_path):
    """Code that closes a call, or cancels its task before it began, says that it does not want it."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def tidy(run: ms.Run) -> str:
            run.step(mails.mail, 1).close()
            asyncio.create_task(run.step(mails.mail, 2)).cancel()
            return "done"

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(tidy)).result(60) == "done"
    assert not mails.sent


async def test_a_fixed_workflow_continues_the_run_that_an_unawaited_call_failed(tmp_path):
    """After a retry today's code awaits the call, and only that step is run."""
    world, mails = World(tmp_path), Mails()

    def release(awaits: bool) -> tuple[Registry, object]:
        with Registry() as registry:

            @ms.workflow(name="w")
            async def w(run: ms.Run) -> str:
                await run.options(name="first").step(mails.mail, 1)
                call = run.options(name="second").step(mails.mail, 2)
                if awaits:
                    await call
                return "done"

        return registry, w

    registry, w = release(awaits=False)
    async with world.engine(registry) as engine:
        run = await engine.start(w)
        await engine.until(run, RunState.FAILED)
    async with world.engine(release(awaits=True)[0]) as engine:
        await engine.app.retry(run.id)
        await engine.until(run.id, RunState.SUCCEEDED)
    assert mails.sent == [1, 2]


@BOTH
async def test_steps_of_pending_tasks_are_started_and_awaited_after_the_body_returned(tmp_path, settings):
    """Also those that a task asks for only then, and retries; the run ends after them, with the body's result."""
    mails, tries = Mails(), []

    async def at_second(number: int) -> int:
        tries.append(number)
        if len(tries) == 1:
            raise ms.Transient("not yet")
        return number

    with Registry() as registry:

        @ms.workflow
        async def leaves(run: ms.Run) -> str:
            async def chain() -> None:
                await run.step(mails.mail, 1)
                await run.options(retry=ms.Retry(3, initial="10ms")).step(at_second, 2)
                await run.step(mails.mail, 3)

            task = asyncio.create_task(chain())
            run.tag(task=task.get_name())
            return "done"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(leaves)
        assert await run.result(60) == "done"
        names = [outcome.name for outcome in engine.history(run).outcomes]
    assert mails.sent == [1, 3]
    assert tries == [2, 2]
    assert names.count("mail") == 2


@BOTH
async def test_timers_and_waits_of_pending_tasks_hold_nothing_and_the_tasks_are_cancelled(tmp_path, settings):
    """As under asyncio.run: the tasks see CancelledError, and a step in their `finally` is done."""
    mails, seen = Mails(), set()
    with Registry() as registry:

        @ms.workflow
        async def leaves(run: ms.Run) -> str:
            async def sleeper() -> None:
                try:
                    await asyncio.sleep(86_400)
                except asyncio.CancelledError:
                    seen.add("cancelled")
                    raise
                finally:
                    await run.step(mails.mail, 7)

            async def listener() -> None:
                await run.receive("never", within="30d")

            async def ask_later() -> None:
                await run.ask("sure?", within="30d")

            tasks = [asyncio.create_task(wait()) for wait in (sleeper, listener, ask_later)]
            await asyncio.sleep(0)
            return f"left {len(tasks)}"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(leaves)
        assert await run.result(60) == "left 3"
        assert not engine.history(run).waits
    assert seen == {"cancelled"}
    assert mails.sent == [7]


@BOTH
async def test_kept_child_of_the_last_line_starts_and_continues(tmp_path, settings):
    """The parent does not wait for it, and the child is not cancelled with its parent."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> int:
            return await run.receive("n", int)

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            await run.step(engine_steps.double, 1)
            asyncio.create_task(run.options(close="keep").child(child))  # noqa: RUF006
            return "done"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(parent)
        assert await run.result(60) == "done"
        (kid,) = engine.history(run).children
        await engine.until(kid.id, RunState.WAITING)
        await engine.app.signal(kid.id, "n", 4)
        view = await engine.until(kid.id, RunState.SUCCEEDED)
    assert view.result == b"4"


async def test_a_child_of_a_pending_task_is_started_and_awaited(tmp_path):
    """A task child runs on the fast path, without a body of its own: its parent ends after it."""
    done = []
    with Registry() as registry:

        @ms.task
        async def child() -> None:
            done.append("child")

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            asyncio.create_task(run.child(child))  # noqa: RUF006
            return "done"

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(parent)
        assert await run.result(60) == "done"
        (kid,) = engine.history(run).children
    assert kid.state is RunState.SUCCEEDED
    assert done == ["child"]


async def test_a_cancel_while_left_steps_are_awaited_cancels_the_run(tmp_path):
    """The body has returned, but its work has not ended: on_cancel decides as ever."""
    started, undone = asyncio.Event(), []

    async def book(number: int) -> int:
        return number

    async def unbook(number: int) -> None:
        undone.append(number)

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    with Registry() as registry:

        @ms.workflow(on_cancel="undo")
        async def leaves(run: ms.Run) -> str:
            await run.options(undo=unbook).step(book, 1)
            asyncio.create_task(run.step(endless))  # noqa: RUF006
            return "done"

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(leaves)
        await asyncio.wait_for(started.wait(), 5)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
    assert undone == [1]


async def test_a_kill_while_left_steps_are_awaited_continues_with_them(tmp_path):
    """A replay returns at the same place and awaits the same steps; what was committed is not repeated."""
    world, mails, started = World(tmp_path), Mails(), asyncio.Event()
    hold = asyncio.Event()

    async def slow() -> str:
        started.set()
        await hold.wait()
        return "slow"

    with Registry() as registry:

        @ms.workflow
        async def leaves(run: ms.Run) -> str:
            async def rest() -> None:
                await run.step(mails.mail, 1)
                await run.step(slow)
                await run.step(mails.mail, 2)

            asyncio.create_task(rest())  # noqa: RUF006
            return "done"

    async with world.engine(registry) as engine:
        run = await engine.start(leaves)
        await asyncio.wait_for(started.wait(), 5)
        dead = engine.working.store.session
        await engine.die()
    hold.set()
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, dead)
        await engine.until(run.id, RunState.SUCCEEDED)
    assert mails.sent == [1, 2]


async def test_a_restart_ends_what_the_run_left_behind_first(tmp_path):
    """A restart is an end that is no error: an unawaited call before it fails the run."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def careless(run: ms.Run, n: int) -> str:
            if n == 2:
                return "end"
            _ = run.step(mails.mail, n)
            return run.restart(n + 1)

        @ms.workflow
        async def careful(run: ms.Run, n: int) -> str:
            if n == 2:
                return "end"
            asyncio.create_task(run.step(mails.mail, n))  # noqa: RUF006
            return run.restart(n + 1)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(careless, 1), RunState.FAILED)
        assert "never awaited" in view.failure.message
        assert await (await engine.start(careful, 1)).result(60) == "end"
    assert mails.sent == [1]


# -- options that would do nothing -------------------------------------------------------------------------------------

OF_CHILD = {
    "timeout": "5s",
    "delivery": "at_least_once",
    "isolate": "thread",
}
OF_STEP = {"close": "keep", "run_key": "k"}


@pytest.mark.parametrize("option", [*OF_CHILD, *OF_STEP])
async def test_an_option_that_would_do_nothing_is_refused(tmp_path, option):
    """The error names the option, the call and what to write instead."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            return None

        @ms.workflow
        async def parent(run: ms.Run) -> list[str]:
            results = []
            calls = [lambda run: run.child(child)]
            if option in OF_STEP:
                calls = [lambda run: run.step(mails.mail, 1), lambda run: run.map(mails.mail, [1])]
            for call in calls:
                try:
                    given: dict[str, Any] = {option: (OF_CHILD | OF_STEP)[option]}
                    await call(run.options(**given))
                except OptionError as error:
                    results.append(f"{error.message}\n{error.hint}")
            return results

    async with World(tmp_path).engine(registry) as engine:
        result = await (await engine.start(parent)).result(60)
    assert len(result) == (1 if option in OF_CHILD else 2)
    assert all(f"run.options({option}=...) has no effect on run." in text for text in result)
    if option == "timeout":
        assert "deadline=" in result[0]
    assert not mails.sent


async def test_undo_and_a_live_policy_of_a_step_that_is_a_run_of_its_own_are_refused(tmp_path):
    """A rollback would not undo it, and no other process could ask the objects of its policy."""
    with Registry() as registry:

        @ms.workflow
        async def parent(run: ms.Run) -> list[str]:
            results = []
            options: dict[str, Any]
            for options in ({"undo": engine_steps.double}, {"retry": ms.Retry(stop=lambda state: True)}):
                try:
                    await run.options(queue="other", **options).step(engine_steps.double, 1)
                except OptionError as error:
                    results.append(error.message)
            return results

    async with World(tmp_path).engine(registry) as engine:
        result = await (await engine.start(parent)).result(60)
    assert ["undo" in result[0], "retry" in result[1]] == [True, True]


@pytest.mark.parametrize("attempts", [None, 2])
async def test_a_spread_step_obeys_the_retry_of_its_function_and_of_its_call(tmp_path, attempts):
    """`@ms.step(retry=...)` holds in the run of its own that any worker may take, and `run.options(retry=...)` over it."""
    retry = None if attempts is None else ms.Retry(attempts, initial="1ms")
    with Registry() as registry:

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            found = await run.options(retry=retry).map(engine_steps.once_only, [1], spread=True, on_error="collect")
            return str(found[0])

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(parent)
        assert "not even once more" in await run.result(60)
        (kid,) = engine.history(run).children
        assert len(engine.history(kid.id).attempts) == (0 if attempts is None else 1)


# -- async generators --------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("method", ["break", "kept", "cycle", "error"])
async def test_the_finally_of_an_async_generator_left_by_break_runs(tmp_path, method, settings):
    """As under asyncio: soon after the break, or at the end of the body; its step is done, whatever holds the generator."""
    mails, order = Mails(), []
    stored: list[object] = []

    async def note(name: str) -> str:
        order.append(name)
        return name

    with Registry() as registry:

        @ms.workflow
        async def reads(run: ms.Run) -> str:
            async def rows() -> AsyncIterator[int]:
                try:
                    for number in range(3):
                        yield await run.step(mails.mail, number)
                finally:
                    await run.step(note, "closed")

            generator = rows()
            if method != "break":
                stored.append(generator)
            if method == "cycle":
                loop: list[object] = [generator]
                loop.append(loop)
                stored.clear()
                del loop
            async for number in generator:
                if number == 1:
                    break
            del generator
            gc.collect()
            await run.step(note, "after")
            if method == "error":
                raise ms.Permanent("broken")
            return "done"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(reads)
        view = await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)
    assert view.state is (RunState.FAILED if method == "error" else RunState.SUCCEEDED)
    assert set(order) == {"closed", "after"}
    assert len(order) == 2
    assert (order[0] == "after") == (method != "break") or method == "break"
    assert mails.sent == [0, 1]


async def test_an_error_in_the_finally_of_a_left_generator_fails_the_run(tmp_path):
    """Nothing fetches it otherwise, so it would be silent."""
    with Registry() as registry:

        @ms.workflow
        async def reads(run: ms.Run) -> str:
            async def rows() -> AsyncIterator[int]:
                try:
                    yield 1
                    yield 2
                finally:
                    raise ms.Permanent("cannot close")

            async for _ in rows():
                break
            return "done"

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(reads), RunState.FAILED)
    assert view.failure.message == "cannot close"


# -- anyio -------------------------------------------------------------------------------------------------------------


@BOTH
async def test_anyio_task_groups_and_scopes_work_in_a_body(tmp_path, settings):
    """Tasks, a cancelled scope, a time-out, a shield: with their steps, and again in a replay."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def grouped(run: ms.Run) -> list[int]:
            found: list[int] = []

            async def wait_once(number: int) -> None:
                found.append(await run.step(mails.mail, number))

            async def tidies() -> None:
                try:
                    await anyio.sleep_forever()
                finally:
                    with anyio.CancelScope(shield=True):
                        await run.options(name="tidy").step(mails.mail, 100)

            async with anyio.create_task_group() as group:
                for number in (1, 2, 3):
                    group.start_soon(wait_once, number)
            with anyio.move_on_after(0.01) as scope:
                await run.receive("never")
            async with anyio.create_task_group() as group:
                group.start_soon(tidies)
                await run.options(name="last").step(mails.mail, 4)
                group.cancel_scope.cancel()
            return [*sorted(found), int(scope.cancelled_caught)]

    async with World(tmp_path).engine(registry, settings) as engine:
        assert await (await engine.start(grouped)).result(60) == [1, 2, 3, 1]
    assert sorted(mails.sent) == [1, 2, 3, 4, 100]


async def test_an_anyio_task_group_continues_after_a_kill(tmp_path):
    """What its tasks committed is not repeated, and the rest is done."""
    world, mails, started, hold = World(tmp_path), Mails(), asyncio.Event(), asyncio.Event()

    async def slow(number: int) -> int:
        started.set()
        await hold.wait()
        return await mails.mail(number)

    with Registry() as registry:

        @ms.workflow
        async def grouped(run: ms.Run) -> str:
            async def two_steps(number: int) -> None:
                await run.step(mails.mail, number)
                await run.step(slow, number + 10)

            async with anyio.create_task_group() as group:
                for number in (1, 2):
                    group.start_soon(two_steps, number)
            return "done"

    async with world.engine(registry, WorkerOptions()) as engine:
        run = await engine.start(grouped)
        await asyncio.wait_for(started.wait(), 5)
        await engine.when(lambda: len(engine.history(run).outcomes), lambda count: count >= 2)
        dead = engine.working.store.session
        await engine.die()
    hold.set()
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, dead)
        await engine.until(run.id, RunState.SUCCEEDED)
    assert sorted(mails.sent) == [1, 2, 11, 12]


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["<lambda>", "f[<T>]", "Straße 5 & 6", "a|b", "GET /orders#1/items", "50 %", "undo:mail"]
)
async def test_a_step_may_have_any_printable_name(tmp_path, name):
    """A name is shown, never run: pages and command lines escape it."""
    mails = Mails()
    with Registry() as registry:

        @ms.workflow
        async def named(run: ms.Run) -> int:
            return await run.options(name=name).step(mails.mail, 1)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(named)
        assert await run.result(60) == 1
        assert [outcome.name for outcome in engine.history(run).outcomes] == [name]


async def test_a_name_with_signs_keeps_the_identity_of_an_earlier_version(tmp_path, monkeypatch):
    """A run whose steps were saved under names without escapes continues: nothing is done twice, single steps and maps alike."""
    world, mails, started, hold = World(tmp_path), Mails(), asyncio.Event(), asyncio.Event()

    async def slow(number: int) -> int:
        started.set()
        await hold.wait()
        return await mails.mail(number)

    with Registry() as registry:

        @ms.workflow
        async def named(run: ms.Run) -> str:
            await run.options(name="GET /orders#1/items").step(mails.mail, 1)
            await run.options(name="f[<T>]", key="a").step(mails.mail, 2)
            await run.options(name="50 %/map").map(mails.mail, [3, 4])
            await run.step(slow, 5)
            await run.options(name="GET /orders#1/items").step(mails.mail, 6)
            return "done"

    with monkeypatch.context() as earlier:
        for module in (identities, step_names):
            earlier.setattr(module, "escape_step_name", lambda name: name)
        async with world.engine(registry, WorkerOptions()) as engine:
            run = await engine.start(named)
            await asyncio.wait_for(started.wait(), 5)
            await engine.when(lambda: len(engine.history(run).outcomes), lambda count: count >= 4)
            dead = engine.working.store.session
            await engine.die()
    hold.set()
    async with world.engine(registry) as engine:
        await world.declare_dead(engine, dead)
        await engine.until(run.id, RunState.SUCCEEDED)
        idents = {outcome.ident for outcome in engine.history(run).outcomes}
    assert sorted(mails.sent) == [1, 2, 3, 4, 5, 6]
    assert {"GET /orders#1/items#1", "f[<T>][a]", "50 %/map#1[0]", "GET %2Forders%231%2Fitems#2"} <= idents


async def test_a_body_with_clean_up_in_each_coroutine_is_freed_when_it_is_unloaded(tmp_path, caplog):
    """Code that resets context variables and awaits in `finally`, which awaits again: nothing of it is left unfinished."""
    variable: ContextVar[int] = ContextVar("variable")

    async def drain(depth: int) -> None:
        try:
            await asyncio.sleep(0.001)
        finally:
            if depth:
                await drain(depth - 1)

    async def wait(run: ms.Run, depth: int) -> None:
        token = variable.set(depth)
        try:
            await (wait(run, depth - 1) if depth else run.receive("go", str))
        finally:
            variable.reset(token)
            await drain(depth)

    with Registry() as registry:

        @ms.workflow
        async def tidies(run: ms.Run) -> str:
            task = asyncio.create_task(wait(run, 3))
            try:
                await wait(run, 2)
            finally:
                await task
            return "done"

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(tidies)
        await engine.until(run, RunState.WAITING)
        await run.signal("go", "1")
        await run.signal("go", "2")
        assert await run.result(60) == "done"
    gc.collect()
    assert "although it is being unloaded" not in caplog.text


async def test_async_generators_that_clean_up_are_freed_when_their_body_is_unloaded(tmp_path, caplog):
    """A generator waits, with a context variable set and a clean-up that awaits: it ends with its body, and at no later moment."""
    variable: ContextVar[int] = ContextVar("variable")

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        token = variable.set(1)
        try:
            yield
        finally:
            variable.reset(token)  # in another context this raises, which the test would notice

    with Registry() as registry:

        @ms.workflow
        async def reads(run: ms.Run) -> list[str]:
            async def messages() -> AsyncIterator[str]:
                with scope():
                    try:
                        while (message := await run.receive("next", str)) != "end":
                            yield message
                    finally:
                        await asyncio.sleep(0.001)

            @contextlib.asynccontextmanager
            async def opened() -> AsyncIterator[AsyncIterator[str]]:
                try:
                    yield messages()
                finally:
                    await asyncio.gather(asyncio.sleep(0.001), return_exceptions=True)

            async with opened() as stream:
                return [message async for message in stream]

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(reads)
        for message in ("a", "b", "end"):
            await engine.until(run, RunState.WAITING)
            await run.signal("next", message)
        assert await run.result(60) == ["a", "b"]
    gc.collect()
    assert "although it is being unloaded" not in caplog.text


@BOTH
async def test_an_object_that_is_freed_starts_no_task_in_a_body(tmp_path, settings):
    """Clients of HTTP close themselves when they are freed, at a random moment, in the loop that runs then: here that is refused."""
    refused: list[str] = []

    class Client:
        async def close(self) -> None:
            raise AssertionError("this must not run in the body")

        def __del__(self) -> None:
            try:
                asyncio.get_running_loop().create_task(self.close())
            except Exception as error:
                refused.append(str(error))

    with Registry() as registry:

        @ms.workflow
        async def frees(run: ms.Run) -> str:
            client = Client()
            del client
            await asyncio.sleep(0.01)
            return "done"

    async with World(tmp_path).engine(registry, settings) as engine:
        assert await (await engine.start(frees)).result(60) == "done"
    assert {"close it in the step that uses it" in text for text in refused} == {True}


async def test_libraries_find_a_loop_without_threads_in_a_body(tmp_path):
    """Libraries that check for a task factory find none, and a call from another thread is refused as not implemented."""
    with Registry() as registry:

        @ms.workflow
        async def check_loop(run: ms.Run) -> list[str]:
            loop = asyncio.get_running_loop()
            try:
                loop.call_soon_threadsafe(print)
            except NotImplementedError as error:
                return [str(loop.get_task_factory()), str(error).partition(":")[0]]
            return []

    async with World(tmp_path).engine(registry) as engine:
        result = await (await engine.start(check_loop)).result(60)
    assert result == ["None", "a workflow body has no call_soon_threadsafe"]


@BOTH
async def test_a_failure_that_nothing_awaited_is_a_hint_on_the_run(tmp_path, settings, caplog):
    """The run succeeds, as its code says; `runs show`, the page and the log name the step and its line. One that is awaited is no hint."""

    async def boom() -> None:
        raise ValueError("lost")

    async def seen() -> None:
        raise ValueError("caught")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            awaited = asyncio.create_task(run.step(seen))
            asyncio.create_task(run.step(boom))  # noqa: RUF006
            await asyncio.wait([awaited])
            try:
                await awaited
            except ms.StepFailed:
                return "ok"
            return "no"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        ended = await engine.until(run, RunState.SUCCEEDED)
    (hint,) = msgspec.json.decode(ended.detail)["unawaited"]
    assert hint.startswith("step boom failed, and nothing awaited it (test_engine_left_behind.py:")
    assert any(hint in record.message and record.levelname == "WARNING" for record in caplog.records)


@BOTH
async def test_a_child_whose_failure_nothing_awaited_needs_a_decision(tmp_path, settings):
    """Its parent succeeds; the failed run of the child is reported like any other, whatever becomes of children at the end."""
    with Registry() as registry:

        @ms.workflow
        async def boom(run: ms.Run, close: str) -> None:
            raise ms.Permanent(f"lost: {close}")

        @ms.workflow
        async def work(run: ms.Run) -> str:
            started = [asyncio.create_task(run.options(close=close).child(boom, close)) for close in ("keep", "cancel")]
            handled = asyncio.create_task(run.child(boom, "handled"))
            await asyncio.wait([*started, handled])
            with contextlib.suppress(ms.StepFailed):
                await handled
            return "ok"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.SUCCEEDED)
        faults = ungrouped_failures(engine.working.store.reader)
    assert sorted(fault.failure.message for fault in faults) == ["lost: cancel", "lost: keep"]


# -- lost errors -------------------------------------------------------------------------------------------------------


async def _lose_in_a_wait(run: ms.Run) -> str:
    async def work(number: int) -> None:
        await run.step(_echo, number)
        if number == 1:
            raise ValueError("item 1 is broken")

    await asyncio.wait([asyncio.create_task(work(number)) for number in range(3)])
    return "ok"


async def _lose_in_a_task(run: ms.Run) -> str:
    async def work() -> None:
        raise ValueError("item 1 is broken")

    asyncio.create_task(work())  # noqa: RUF006
    await run.step(_echo, 1)
    return "ok"


async def _lose_in_a_cancelled_task(run: ms.Run) -> str:
    async def work() -> None:
        try:
            await run.receive("never")
        finally:
            raise ValueError("item 1 is broken")

    asyncio.create_task(work())  # noqa: RUF006
    await run.step(_echo, 1)
    return "ok"


async def _lose_in_a_task_with_a_step(run: ms.Run) -> str:
    async def work() -> None:
        try:
            await run.step(_fail)
        except ms.StepFailed as error:
            raise ValueError("item 1 is broken") from error

    await asyncio.wait([asyncio.create_task(work())])
    return "ok"


async def _lose_in_a_timer(run: ms.Run) -> str:
    asyncio.get_running_loop().call_later(0.01, _break)
    await asyncio.sleep(0.02)
    return "ok"


async def _lose_in_a_done_callback(run: ms.Run) -> str:
    task = asyncio.create_task(run.step(_echo, 1))
    task.add_done_callback(_break)
    await task
    return "ok"


async def _echo(number: int) -> int:
    return number


async def _fail() -> None:
    raise ms.Permanent("refused")


def _break(*_: object) -> None:
    raise ValueError("item 1 is broken")


@BOTH
@pytest.mark.parametrize(
    "lose",
    [
        _lose_in_a_wait,
        _lose_in_a_task,
        _lose_in_a_cancelled_task,
        _lose_in_a_task_with_a_step,
        _lose_in_a_timer,
        _lose_in_a_done_callback,
    ],
)
async def test_an_error_that_no_code_handles_fails_the_run(tmp_path, lose, settings):
    """The run ends with the error of its task or callback, and the hint says that nothing awaited it or could handle it."""
    with Registry() as registry:
        work = ms.workflow(name="work")(lose)

    async with World(tmp_path).engine(registry, settings) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED, RunState.SUCCEEDED)
    assert (view.state, view.reason) == (RunState.FAILED, FailureReason.BODY_ERROR)
    assert (view.failure.type, view.failure.message) == ("ValueError", "item 1 is broken")
    is_callback = lose in (_lose_in_a_timer, _lose_in_a_done_callback)
    assert ("no code could handle it" if is_callback else "Nothing awaited the task") in view.failure.hint
    assert "test_engine_left_behind.py:" in view.failure.headline


@BOTH
async def test_an_error_that_code_has_read_fails_no_run(tmp_path, settings):
    """A task that was cancelled, gathered, shielded or whose exception was read is handled, as under asyncio."""

    async def fail() -> None:
        raise ValueError("handled")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            await asyncio.gather(fail(), fail(), return_exceptions=True)
            with contextlib.suppress(ValueError):
                await asyncio.gather(fail(), fail(), run.step(_echo, 1))
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
                    group.create_task(fail())
            done, _ = await asyncio.wait([asyncio.create_task(fail())])
            errors = [task.exception() for task in done]
            with contextlib.suppress(ValueError):
                await asyncio.wait_for(asyncio.shield(fail()), 1)
            cancelled = asyncio.create_task(run.receive("never"))
            cancelled.add_done_callback(lambda task: task.result())
            await run.step(_echo, 2)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            return str(errors[0])

    async with World(tmp_path).engine(registry, settings) as engine:
        assert await (await engine.start(work)).result(60) == "handled"


@BOTH
async def test_a_stuck_workflow_names_the_error_of_its_task(tmp_path, settings):
    """The other code waits for a task that has failed: the error of the task is the cause of the failure."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            queue: asyncio.Queue[int] = asyncio.Queue()
            queue.put_nowait(1)

            async def consume() -> None:
                while True:
                    await run.step(_echo, await queue.get())
                    raise KeyError("amount")

            consumer = asyncio.create_task(consume())
            await queue.join()
            consumer.cancel()
            return "ok"

    async with World(tmp_path).engine(registry, settings) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.BODY_ERROR
    assert "KeyError: 'amount' (test_engine_left_behind.py:" in view.failure.message
    assert "Nothing awaited the task" in view.failure.hint
    assert view.failure.cause.type == "KeyError"

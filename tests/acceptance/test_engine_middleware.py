"""Middleware around runs and steps in a real engine."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError, DefinitionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry, find_middleware
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = pytest.mark.asyncio
TENANT: ContextVar[str] = ContextVar("tenant", default="none")


async def add(n: int) -> int:
    return n + 1


def declare_order() -> Any:
    @ms.workflow
    async def order(run: ms.Run, n: int) -> list[Any]:
        await asyncio.sleep(0.01)
        first = await run.step(add, n)
        rest = await asyncio.gather(run.step(add, first), run.options(key="k").step(add, first))
        return [TENANT.get(), first, *rest, await run.receive("go", str)]

    return order


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_middleware_surrounds_a_run_at_each_replay_in_the_order_of_declaration(tmp_path, settings):
    """It sees the run and its input, gives it context variables, and gets the result; a replay calls it again."""
    trace: list[str] = []
    with Registry() as registry:

        @ms.middleware
        class Outer:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                TENANT.set(run.headers["tenant"])
                trace.append(f"outer {run.automation} {run.key} {run.args} {dict(run.kwargs)} {run.is_replaying}")
                result = await proceed()
                trace.append(f"left {run.is_replaying}")
                return [*result, "outer"]

        @ms.middleware
        class Inner:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                assert run.id.startswith("r_")
                assert run.now().tzinfo is not None
                result = await proceed()
                return [*result, "inner"]

        order = declare_order()

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.app.options(headers={"tenant": "acme"}, key="k7").start(order, 1)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "go", "on")
        assert await run.result(60) == ["acme", 2, 3, 3, "on", "inner", "outer"]
    assert trace[0] == "outer order k7 (1,) {} False"
    assert trace[-1] == "left False"
    entered = [line for line in trace if line.startswith("outer")]
    assert (len(entered) > 1) is (settings is REPLAYING)
    assert all(line.endswith("True") for line in entered[1:])


async def test_middleware_changes_no_identity(tmp_path):
    """The journal of a run has the same identities with and without it, and a run may continue under the other code."""
    journals = []
    for number, is_surrounded in enumerate((False, True)):
        with Registry() as registry:
            if is_surrounded:

                @ms.middleware
                class Passes:
                    async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                        await asyncio.sleep(0)
                        result = await proceed()
                        await asyncio.sleep(0)
                        return result

                    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                        return await proceed()

            order = declare_order()
        async with World(tmp_path / str(number)).engine(registry, REPLAYING) as engine:
            run = await engine.start(order, 1)
            await engine.until(run, RunState.WAITING)
            await engine.app.signal(run.id, "go", "on")
            await run.result(60)
            journals.append(sorted((o.ident, str(o.kind), o.request_number) for o in engine.history(run).outcomes))
    assert journals[0] == journals[1]
    assert len(journals[0]) == 5


async def test_run_continues_when_middleware_is_added(tmp_path):
    """Its history was written without the middleware, and fits."""
    world = World(tmp_path)

    def load(*, is_surrounded: bool) -> Any:
        with Registry() as registry:
            if is_surrounded:

                @ms.middleware
                class Doubles:
                    async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                        return 2 * await proceed()

            @ms.workflow
            async def order(run: ms.Run) -> int:
                first = await run.step(add, 1)
                return first + await run.receive("n", int)

        return registry, order

    registry, order = load(is_surrounded=False)
    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        await engine.until(run, RunState.WAITING)
    registry, order = load(is_surrounded=True)
    async with world.engine(registry, REPLAYING) as engine:
        await engine.app.signal(run.id, "n", 5)
        assert await engine.app.handle(run.id).result(60) == 14


class Later:
    """Something that starts a task when it is called."""

    def start(self) -> None:
        """Start it."""
        self.task = asyncio.create_task(asyncio.sleep(0))


CALLS = {
    "step": lambda run: run.step(add, 1),
    "child": lambda run: run.child("leaf"),
    "start": lambda run: run.start("leaf"),
    "receive": lambda run: run.receive("n"),
    "flag": lambda run: run.flag("f"),
    "sleep": lambda run: asyncio.sleep(1),
    "task": lambda run: asyncio.create_task(asyncio.sleep(0)),
    "gather": lambda run: asyncio.gather(asyncio.sleep(0)),
    "callback": lambda run: asyncio.get_running_loop().call_soon(lambda: asyncio.create_task(asyncio.sleep(0))),
    "method": lambda run: asyncio.get_running_loop().call_soon(Later().start),
    "uuid": lambda run: run.uuid(),
    "random": lambda run: run.random(),
    "tag": lambda run: run.tag(a="b"),
    "publish": lambda run: run.publish_state(1),
    "progress": lambda run: run.progress(1),
    "log": lambda run: run.log.info("x"),
    "restart": lambda run: run.restart(),
    "rollback": lambda run: run.rollback("no"),
    "query": lambda run: run.on_query("q"),
    "stream": lambda run: run.stream("s").write(1),
}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, "after") for name in CALLS),
        *((name, "before") for name in ("sleep", "task", "gather", "callback", "method")),
    ],
)
async def test_middleware_around_a_run_makes_no_request(tmp_path, name, place):
    """Each call fails with the fix, before and after the function, and leaves no trace in the journal even if the error is swallowed."""
    errors: list[str] = []
    runs: list[Any] = []

    async def attempt() -> None:
        try:
            made = CALLS[name](runs[-1] if runs else None)
            if asyncio.iscoroutine(made):
                await made
        except ms.MainspringError as error:
            errors.append(str(error))

    with Registry() as registry:

        @ms.middleware
        class Requests:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                if place == "before":
                    await attempt()
                result = await proceed()
                if place == "after":
                    await attempt()
                return result

        @ms.task
        async def leaf() -> None: ...

        @ms.workflow
        async def order(run: ms.Run) -> int:
            runs.append(run)
            await asyncio.sleep(0.001)
            return await run.step(add, 1)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        assert await run.result(60) == 2
        assert sorted(o.ident for o in engine.history(run).outcomes) == ["add#1", "timer#1"]
    assert errors
    assert all("calls no run.* method" in error and "around_step" in error for error in errors)


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_middleware_around_a_run_writes_into_its_log(tmp_path, settings):
    """Each line is there once, whatever is replayed; what it prints is in the output of the worker alone."""
    with Registry() as registry:

        @ms.middleware
        class Writes:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                run.log.info("begins", tenant="acme")
                print("not in the log")
                result = await proceed()
                run.log.warning("ends")
                return result

        @ms.workflow
        async def order(run: ms.Run) -> int:
            run.log.info("body")
            await asyncio.sleep(0.01)
            return await run.step(add, 1)

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(order)
        assert await run.result(60) == 2
    app = ms.App(tmp_path / "state.db")
    lines = await app.handle(run.id).logs()
    app.close()
    assert [(line.text, line.level) for line in lines] == [("begins", "info"), ("body", "info"), ("ends", "warning")]


async def test_argument_that_middleware_changes_in_place_is_stored_as_it_was(tmp_path):
    """The function gets the changed value, at each replay again, and no journal has it: there is no drift."""
    with Registry() as registry:

        @ms.middleware
        class Changes:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                run.args[0].append(len(run.args[0]))
                return await proceed()

            async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                step.args[0].append(99)
                return await proceed()

        async def total(numbers: list[int]) -> int:
            return sum(numbers)

        @ms.workflow
        async def order(run: ms.Run, numbers: list[int]) -> list[int]:
            first = await run.step(total, [*numbers])
            await asyncio.sleep(0.001)
            return [*numbers, first]

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order, [5])
        assert await run.result(60) == [5, 1, 105]
        assert (await run.view()).input == {"numbers": [5]}
        assert [o.input for o in engine.history(run).outcomes if o.name == "total"] == [b'{"numbers":[5,1]}']


async def test_run_fails_with_the_error_of_its_middleware(tmp_path):
    """An error that it does not handle is that of the run; the function may also be left out."""
    with Registry() as registry:

        @ms.middleware
        class Refuses:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                if run.kwargs.get("n") == 1 or run.args == (1,):
                    raise ms.Permanent("no tenant")
                if run.args == (2,):
                    return "cached"
                try:
                    return await proceed()
                except ms.Permanent as error:
                    return f"saw {error}"

        @ms.workflow
        async def order(run: ms.Run, n: int) -> str:
            raise ms.Permanent("no stock")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        with pytest.raises(ms.RunFailed, match="no tenant"):
            await (await engine.start(order, 1)).result(60)
        assert await (await engine.start(order, 2)).result(60) == "cached"
        assert await (await engine.start(order, 3)).result(60) == "saw no stock"


@pytest.mark.parametrize("misuse", ["twice", "forgets", "endless", "endless requests"])
async def test_misused_proceed_fails_the_run(tmp_path, misuse):
    """A repeated and a lost call are errors with the fix; an endless repetition does not block the worker."""
    with Registry() as registry:

        @ms.middleware
        class Misuses:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                if run.automation == "other":
                    return await proceed()
                if misuse == "endless":
                    while True:
                        with contextlib.suppress(BaseException):
                            await proceed()
                while misuse == "endless requests":
                    with contextlib.suppress(BaseException):
                        await asyncio.sleep(1)
                if misuse == "twice":
                    await proceed()
                    return await proceed()
                await proceed()
                return None

        @ms.workflow
        async def order(run: ms.Run) -> int:
            return await run.step(add, 1)

        @ms.workflow
        async def other(run: ms.Run) -> int:
            return await run.step(add, 2)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        view = await engine.until(run, RunState.FAILED, RunState.NEEDS_ATTENTION)
        if not misuse.startswith("endless"):
            assert view.state is RunState.FAILED
            assert "middleware Misuses.around_run" in view.failure.message
            assert view.failure.code == "middleware"
        assert await (await engine.start(other)).result(60) == 3


class Swallows:
    """Swallows every end, also those that are no errors."""

    async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
        try:
            return await proceed()
        except BaseException:
            with contextlib.suppress(BaseException):
                await proceed()
            return "swallowed"


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_no_middleware_changes_a_cancel_a_rollback_a_restart_or_an_unload(tmp_path, settings):
    """These ends pass through it, whatever it catches and returns."""
    undone: list[int] = []

    async def undo(n: int, result: int) -> None:
        undone.append(result)

    with Registry() as registry:
        ms.middleware(Swallows)

        @ms.workflow
        async def waits(run: ms.Run) -> str:
            await run.options(undo=undo).step(add, 1)
            await asyncio.sleep(0.001)
            return await run.receive("go", str)

        @ms.workflow
        async def rolls_back(run: ms.Run) -> str:
            await run.options(undo=undo).step(add, 6)
            return await run.rollback("refused")

        @ms.workflow
        async def restarts(run: ms.Run, n: int) -> str:
            await run.step(add, n)
            if n < 2:
                run.restart(n + 1)
            return f"n={n}"

        @ms.workflow
        async def fails(run: ms.Run) -> str:
            raise ms.Permanent("no stock")

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        await engine.app.cancel(run.id)
        assert (await engine.until(run, RunState.CANCELLED, RunState.SUCCEEDED)).state is RunState.CANCELLED
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "go", "gone")
        assert await run.result(60) == "gone"
        run = await engine.start(rolls_back)
        assert (await engine.until(run, RunState.FAILED, RunState.SUCCEEDED)).reason == "rolled_back"
        assert undone == [7]
        assert await (await engine.start(restarts, 0)).result(60) == "n=2"
        with pytest.raises(ms.RunFailed, match=r"Swallows.around_run called proceed\(\) twice"):
            await (await engine.start(fails)).result(60)


async def test_tasks_scripts_and_undos_have_middleware_too(tmp_path):
    """A task is a run and a step; an undo is a step."""
    trace: list[str] = []
    undone: list[int] = []

    def undo(n: int, result: int) -> None:
        undone.append(result)

    with Registry() as registry:

        @ms.middleware
        class Notes:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                trace.append(f"run {run.automation} {run.args}")
                return await proceed()

            async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                trace.append(f"step {step.name} {step.args}")
                return await proceed()

        @ms.task
        def leaf(n: int) -> int:
            return n * 2

        greet = ms.script("greet", ["echo", "hello"])

        @ms.workflow
        async def order(run: ms.Run) -> int:
            await run.options(undo=undo).step(add, 1)
            return await run.rollback("no")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        assert await (await engine.start(leaf, 4)).result(60) == 8
        assert trace == ["run leaf (4,)", "step leaf (4,)"]
        await (await engine.start(greet)).result(60)
        assert [line.partition(" (")[0] for line in trace[2:]] == ["run greet", "step greet"]
        await engine.until(await engine.start(order), RunState.FAILED)
        assert [line.partition(" (")[0] for line in trace[4:]] == ["run order", "step add", "step undo add"]
        assert undone == [2]


async def test_step_middleware_runs_once_an_attempt_on_the_fast_path_and_off_it(tmp_path):
    """A task without middleware around runs keeps the fast path; a failed attempt is surrounded again."""
    attempts: list[int] = []
    with Registry() as registry:

        @ms.middleware
        class Counts:
            async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                attempts.append(step.attempt)
                return await proceed()

        @ms.task(retry=ms.Retry(attempts=3, initial="1ms", max="2ms"))
        async def leaf() -> int:
            if ms.attempt() < 3:
                raise ms.Transient("later")
            return ms.attempt()

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        assert await (await engine.start(leaf)).result(60) == 3
    assert attempts == [1, 2, 3]


async def test_app_has_middleware_of_its_own(tmp_path):
    """`app.middleware` adds a class to one app, inside of those of the program, also of what is declared later."""
    with Registry() as registry:

        @ms.task
        async def leaf() -> str:
            return TENANT.get()

    app = ms.App(tmp_path / "state.db", registry=registry)

    @app.middleware
    class Tenant:
        async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
            TENANT.set("acme")
            return await proceed()

    other = ms.App(tmp_path / "other.db", registry=registry)

    @other.middleware
    class Unnamed:
        async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
            return await proceed()

    with registry:

        @ms.middleware
        class Outer:
            async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                TENANT.set("outer")
                return await proceed()

        @ms.task
        async def later() -> str:
            return TENANT.get()

    async with app.running():
        assert await (await app.start(leaf)).result(60) == "acme"
        assert await (await app.start(later)).result(60) == "acme"
        with pytest.raises(ConflictError, match="this app is running"):
            app.middleware(Unnamed)
    assert isinstance(Tenant, type)
    async with other.running():
        assert await (await other.start(leaf)).result(60) == "outer"
    names = [[known.kind.__name__ for known in own.registry.step_middleware] for own in (app, other)]
    assert names == [["Outer", "Tenant"], ["Outer"]]
    assert not find_middleware(Tenant)


NOTHING: Any = print


async def one_argument(proceed: Any) -> Any:
    return await proceed()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ms.middleware(NOTHING), "needs a class"),
        (lambda: ms.middleware(type("Empty", (), {})), "neither around_run nor around_step"),
        (lambda: ms.middleware(type("Plain", (), {"around_step": lambda self, s, p: p()})), "is not `async def`"),
        (lambda: ms.middleware(type("One", (), {"around_step": one_argument})), "missing a|too many positional"),
        (lambda: ms.middleware(type("Two", (), {"around_run": staticmethod(one_argument)})), "too many|missing"),
    ],
)
async def test_unusable_middleware_is_refused_with_the_fix(make, text):
    """A function, a class without a method, a method that is not async, and one with other parameters."""
    with Registry(), pytest.raises(DefinitionError, match=text) as raised:
        make()
    assert "async def around" in raised.value.hint


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_handlers_of_updates_and_queries_see_what_middleware_has_set(tmp_path, settings):
    """They run in a copy of the context of the workflow, and in no other."""
    with Registry() as registry:

        @ms.middleware
        class Tenant:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                TENANT.set(run.headers["tenant"])
                return await proceed()

        @ms.workflow
        async def order(run: ms.Run) -> str:
            @run.on_update("tenant")
            async def update() -> str:
                await run.step(add, 1)
                return TENANT.get()

            @run.on_query("tenant")
            def query() -> str:
                return TENANT.get()

            return await run.receive("go", str)

    TENANT.set("worker")
    async with World(tmp_path).engine(registry, settings) as engine:
        TENANT.set("caller")
        run = await engine.app.options(headers={"tenant": "acme"}).start(order)
        assert await run.update("tenant") == "acme"
        assert await run.query("tenant") == "acme"
        await engine.app.signal(run.id, "go", "on")
        assert await run.result(60) == "on"


async def test_run_of_a_dead_worker_continues_within_its_middleware(tmp_path):
    """Another worker reads the headers from the store, and repeats no step that was saved."""
    calls: list[str] = []
    world = World(tmp_path)

    async def note(name: str) -> str:
        calls.append(f"{name} {ms.headers()['tenant']} {TENANT.get()}")
        return name

    with Registry() as registry:

        @ms.middleware
        class Tenant:
            async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
                return f"{run.headers['tenant']}: {await proceed()}"

            async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
                TENANT.set(step.headers["tenant"])
                return await proceed()

        @ms.workflow
        async def order(run: ms.Run) -> str:
            first = await run.step(note, "first")
            await run.receive("go")
            return first + await run.step(note, "second")

    async with world.engine(registry, AT_ONCE) as engine:
        run = await engine.app.options(headers={"tenant": "acme"}).start(order)
        await engine.until(run, RunState.WAITING)
        dead = engine.working.store.session
        await engine.die()
    async with world.engine(registry, REPLAYING) as engine:
        await world.declare_dead(engine, dead)
        await engine.app.signal(run.id, "go")
        assert await engine.app.handle(run.id).result(60) == "acme: firstsecond"
    assert calls == ["first acme acme", "second acme acme"]

"""Queries of runs in a real engine: answered by a replay, and in no journal."""

import asyncio
import threading
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import BusyError, ConflictError, OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World
from tests.acceptance.sealing_codec import codec

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])]


class Counter:
    """A workflow that adds what it receives, with queries about it."""

    def __init__(self, factor: int = 1) -> None:
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()
        with Registry() as self.registry:

            @ms.workflow
            async def count(run: ms.Run, total: int = 0) -> int:
                return await self.count_up(run, total, factor)

            @ms.task
            def job() -> None:
                pass

        self.workflow, self.task = count, job

    async def add(self, number: int) -> int:
        self.entered.set()
        await self.open.wait()
        return number

    async def count_up(self, run: ms.Run, total: int, factor: int) -> int:
        @run.on_query("total")
        def read_total(times: int = 1) -> int:
            return total * times * factor

        @run.on_query("break")
        def break_it() -> None:
            raise ValueError("swordfish")

        @run.on_query("step")
        def call_step() -> int:
            run.step(self.add, 1).close()
            return 1

        while (number := await run.receive("add", int)) > 0:
            total += await run.step(self.add, number)
        if number < 0:
            run.restart(total)
        return total


async def test_query_reads_the_state_and_leaves_nothing(tmp_path, settings):
    """Of a run that waits and of one that has ended, typed, with a value for the function."""
    counter = Counter()
    async with World(tmp_path).engine(counter.registry, settings) as engine:
        run = await engine.start(counter.workflow, 5)
        assert await run.query("total") == 5
        await run.signal("add", 2)
        await engine.when(lambda: engine.history(run).outcomes, lambda done: len(done) == 2)
        await engine.until(run, RunState.WAITING)
        claims = engine.view(run).claim
        assert await run.query("total", 10, type=int) == 70
        assert engine.view(run).claim == claims
        await run.signal("add", 0)
        assert await run.result(60) == 7
        assert await run.query("total") == 7
        assert len(engine.history(run).outcomes) == 3
        assert engine.working.store.reader.read_text("select count(*) from inbox", ()) == [(0,)]


async def test_query_that_never_ends_stops_no_run(tmp_path, settings):
    """Its caller waits in vain; the run, the worker and other queries continue."""
    end = threading.Event()
    with Registry() as registry:

        @ms.workflow
        async def slow(run: ms.Run) -> str:
            run.on_query("slow")(lambda: end.wait() and "late")
            run.on_query("fast")(lambda: "fast")
            return await run.receive("stop", str)

    try:
        async with World(tmp_path).engine(registry, settings) as engine:
            run = await engine.start(slow)
            with pytest.raises(BusyError, match=r"no worker answered within 0\.2 s"):
                await run.query("slow", within="200ms")
            assert await run.query("fast") == "fast"
            await run.signal("stop", "stopped")
            assert await run.result(60) == "stopped"
    finally:
        end.set()


async def test_what_a_query_changes_is_lost(tmp_path, settings):
    """Each query has a body of its own: neither the run nor a later query sees it."""
    with Registry() as registry:

        @ms.workflow
        async def careless(run: ms.Run) -> list[int]:
            numbers = [1]

            @run.on_query("add")
            def add() -> list[int]:
                numbers.append(2)
                return numbers

            await run.receive("stop")
            return numbers

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(careless)
        await engine.until(run, RunState.WAITING)
        for _ in range(2):
            assert await run.query("add") == [1, 2]
        await run.signal("stop")
        assert await run.result(60) == [1]


async def test_query_of_a_run_at_work_is_answered_by_its_owner(tmp_path, settings):
    """While a step runs, with the outcomes that are saved so far."""
    counter = Counter()
    counter.open.clear()
    async with World(tmp_path).engine(counter.registry, settings) as engine:
        run = await engine.start(counter.workflow, 5)
        await run.signal("add", 2)
        await counter.entered.wait()
        assert engine.view(run).state is RunState.RUNNING
        assert await run.query("total") == 5
        counter.open.set()


async def test_error_of_a_query_is_its_answer(tmp_path, settings):
    """An unknown name names the nearest; a call of run.* is refused; the run is unharmed."""
    counter = Counter()
    async with World(tmp_path).engine(counter.registry, settings) as engine:
        run = await engine.start(counter.workflow)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(ms.QueryFailed, match="swordfish") as failed:
            await run.query("break")
        with pytest.raises(ms.QueryFailed, match="Did you mean 'total'"):
            await run.query("totel")
        with pytest.raises(ms.QueryFailed, match=r"only in its own workflow body|only read"):
            await run.query("step")
        with pytest.raises(ms.QueryFailed, match="Expected `int`, got `str`"):
            await run.query("total", "many")
        with pytest.raises(OptionError, match="at most 5 minutes"):
            await run.query("total", within="1h")
        await run.signal("add", 0)
        assert await run.result(60) == 0
    assert isinstance(failed.value.__cause__, ValueError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), None])
async def test_query_that_wants_to_end_something_ends_nothing(tmp_path, settings, error):
    """Neither the worker nor the run; also of a run that no worker has, and with calls of the run."""
    with Registry() as registry:

        @ms.workflow
        async def odd(run: ms.Run) -> str:
            @run.on_query("odd")
            def raise_it() -> None:
                if error is None:
                    run.restart()
                raise error

            for name, call in (
                ("tag", lambda: run.tag(a=1)),
                ("state", lambda: run.publish_state(1)),
                ("log", lambda: run.log.info("x")),
                ("handler", lambda: run.on_query("more")(lambda: 1)),
                ("random", run.random),
            ):
                run.on_query(name)(call)
            await run.receive("stop")
            return "stopped"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(odd)
        await engine.until(run, RunState.WAITING)
        for name in ("odd", "tag", "state", "log", "handler", "random"):
            with pytest.raises(ms.QueryFailed):
                await run.query(name)
        await run.signal("stop")
        assert await run.result(60) == "stopped"
        with pytest.raises(ms.QueryFailed):
            await run.query("odd")
        assert engine.view(run).tags is None
        assert engine.view(run).published is None


async def test_newest_run_of_a_chain_answers(tmp_path, settings):
    """By the id of the first one."""
    counter = Counter()
    async with World(tmp_path).engine(counter.registry, settings) as engine:
        run = await engine.start(counter.workflow)
        await run.signal("add", 3)
        await run.signal("add", -1)
        await engine.when(lambda: len(engine.reads.list_runs().runs), lambda number: number == 2)
        assert await run.query("total") == 3


async def test_other_worker_answers_for_a_run_that_no_worker_has(tmp_path, settings):
    """With its own code; without a worker the caller learns that at once, and of a task that it has no queries."""
    counter, place = Counter(), World(tmp_path)
    async with place.engine(counter.registry, settings) as engine:
        run = await engine.start(counter.workflow, 4)
        await engine.until(run, RunState.WAITING)
        job = await engine.start(counter.task)
        with pytest.raises(ConflictError, match="only a workflow answers queries"):
            await job.query("total")
    async with place.engine(Counter(factor=10).registry, settings) as engine:
        assert await engine.app.handle(run.id).query("total") == 40
    app = ms.App(place.path)
    with pytest.raises(BusyError, match="no running worker has loaded count version 1"):
        await app.handle(run.id).query("total")
    app.close()


async def test_run_that_the_code_cannot_continue_answers_with_the_reason(tmp_path, settings):
    """Drift is the answer; the run is not touched."""
    place = World(tmp_path)

    def made(name: str) -> tuple[Registry, Any]:
        with Registry() as registry:

            @ms.workflow(name="drifting")
            async def drifting(run: ms.Run) -> None:
                run.on_query("name")(lambda: name)
                await run.options(key="k").step(echo, name)
                await run.receive("stop")

        return registry, drifting

    registry, workflow = made("a")
    async with place.engine(registry, settings) as engine:
        run = await engine.start(workflow)
        await engine.until(run, RunState.WAITING)
    async with place.engine(made("b")[0], settings) as engine:
        with pytest.raises(ms.QueryFailed, match="cannot continue the run"):
            await engine.app.handle(run.id).query("name")
        assert engine.view(run).state is RunState.WAITING


def echo(value: str) -> str:
    return value


async def test_sealed_query_stores_no_value(tmp_path, settings):
    """Question, answer and error are sealed in the store."""
    counter = Counter()
    async with World(tmp_path).engine(counter.registry, settings, codec=codec) as engine:
        run = await engine.start(counter.workflow, 7391)
        assert await run.query("total") == 7391
        with pytest.raises(ms.QueryFailed, match="swordfish"):
            await run.query("break")
        rows = engine.working.store.reader.read_text("select result, failure from run_queries", ())
    assert rows
    assert not any(
        b"7391" in bytes(value or b"") or b"swordfish" in bytes(value or b"") for row in rows for value in row
    )


async def test_bad_declarations_are_refused(tmp_path, settings):
    """A coroutine, several parameters, a name twice: an error of the code, before anything runs."""
    del settings
    with Registry() as registry:

        @ms.workflow
        async def refused(run: ms.Run, case: str) -> None:
            async def coroutine() -> None:
                pass

            def two(first: int, second: int) -> int:
                return first + second

            match case:
                case "coroutine":
                    run.on_query("q")(coroutine)
                case "two":
                    run.on_update("u")(two)
                case "name":
                    run.on_update("a/b")(lambda: 1)
                case "check":
                    run.on_update("u", validate=coroutine)(lambda: 1)
                case "other check":
                    run.on_update("u", validate=lambda number: number)(lambda: 1)
                case "keyword":
                    run.on_update("u")(lambda *, number: number)
                case _:
                    run.on_query("q")(lambda: 1)
                    run.on_query("q")(lambda: 2)

    texts = {
        "coroutine": "`async def`",
        "two": "other parameters than one value",
        "name": "cannot be a name",
        "twice": "already",
        "check": "`async def`",
        "other check": "the same parameters",
        "keyword": "other parameters",
    }
    async with World(tmp_path).engine(registry) as engine:
        for case, text in texts.items():
            with pytest.raises(ms.RunFailed, match=text):
                await (await engine.start(refused, case)).result(60)

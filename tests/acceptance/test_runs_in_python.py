"""Runs in Python: `app.runs`, handles on any run, blocking twins, starts by name without the code."""

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import (
    ArgumentError,
    ConflictError,
    NoStoreError,
    NotFoundError,
    OptionError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.states import RunState
from mainspring.domain.triggers.trigger import ArgumentMismatchError
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import World


def make_registry() -> Registry:
    with Registry() as registry:

        @ms.task
        def double(n: int) -> int:
            ms.log.info("doubles", n=n)
            return 2 * n

        @ms.workflow
        async def twice(run: ms.Run, n: int) -> list[int]:
            if n < 0:
                raise ms.Permanent("negative")
            return [await run.step(double.fn, n), await run.step(double.fn, n + 1)]

    return registry


@pytest.mark.asyncio
async def test_runs_are_found_by_tags(tmp_path):
    """Those of the start and those of the code, in Python, at the command line and by the API's filter."""
    with Registry() as registry:

        @ms.workflow(tags={"team": "shop"})
        async def order(run: ms.Run, customer: str) -> None:
            run.tag(customer=customer, amount=7)

    async with World(tmp_path).engine(registry) as engine:
        app = engine.app
        for customer in ("acme", "globex"):
            await (await app.options(tags={"region": "eu"}).start(order, customer)).result()
        (info,) = await app.runs.list(tag={"customer": "acme", "amount": 7, "region": "eu", "team": "shop"})
        assert await app.runs.count(tag={"region": "eu"}) == 2
        assert [run.id async for run in app.runs.iterate(tag={"customer": "acme"}, state="succeeded")] == [info.id]
        assert await app.runs.list(tag={"customer": "acme"}, state="failed") == []


@pytest.mark.asyncio
async def test_runs_are_listed_found_and_counted(tmp_path):
    """By automation, state, version and time; by key; newest first, beyond one page."""
    registry = make_registry()
    async with World(tmp_path).engine(registry) as engine:
        app = engine.app
        started = [await app.start("double", n) for n in range(3)]
        for handle in started:
            await handle.result()
        failed = await app.options(key="k").start("twice", -1)
        with pytest.raises(ms.RunFailed):
            await failed.result()
        assert [info.id for info in await app.runs.list(name="double")] == [handle.id for handle in started[::-1]]
        (info,) = await app.runs.list(state="failed")
        assert (info.id, info.automation, info.version, info.state) == (failed.id, "twice", 1, RunState.FAILED)
        assert info.created_at.tzinfo is UTC
        assert await app.runs.get(failed.id) == info
        assert await app.runs.by_key("twice", "k") == info
        assert await app.runs.by_key("twice", "other") is None
        assert await app.runs.count() == 4
        assert await app.runs.count(name=["double", "twice"], state=["succeeded", RunState.FAILED]) == 4
        assert await app.runs.count(version=2) == 0
        assert len([info async for info in app.runs.iterate(version=1)]) == 4
        assert len(await app.runs.list(limit=2)) == 2
        later = datetime.now(UTC) + timedelta(hours=1)
        assert (await app.runs.list(since=later), await app.runs.count(since=later)) == ([], 0)
        with pytest.raises(OptionError, match="time zone"):
            await app.runs.list(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the error
        with pytest.raises(OptionError, match="Known states"):
            await app.runs.count(state="done")
        with pytest.raises(OptionError, match=r"app\.runs\.iterate"):
            await app.runs.list(limit=10_001)
        assert (await app.runs.list(state=[]), await app.runs.list(name=[]), await app.runs.count(state=())) == (
            [],
            [],
            0,
        )
        for filters in ({"since": "2h"}, {"version": "1"}, {"version": 0}, {"nme": "x"}):
            with pytest.raises(OptionError):
                await app.runs.list(**filters)
        with pytest.raises(NotFoundError):
            await app.runs.get("r_none")


@pytest.mark.asyncio
async def test_handle_of_any_run_has_its_steps_logs_and_typed_result(tmp_path):
    """Also of one that another program started."""
    async with World(tmp_path).engine(make_registry()) as engine:
        started = await engine.start("twice", 3)
        handle = engine.app.handle(started.id)
        assert await handle.result() == [6, 8]
        steps = await handle.steps()
        assert [(step.name, step.state, step.attempts, step.result, step.error) for step in steps] == [
            ("double", "succeeded", 1, 6, None),
            ("double", "succeeded", 1, 8, None),
        ]
        assert (await handle.history()).run.id == started.id
        lines = await handle.logs()
        assert [line.text for line in lines if line.text == "doubles"] == ["doubles"] * 2
        for reading in (engine.app.handle("r_none").status(), engine.app.handle("r_none").logs()):
            with pytest.raises(NotFoundError):
                await reading


def test_blocking_twins_work_while_a_worker_runs_in_another_thread(tmp_path):
    """As in a view of a web framework: no loop of its own."""
    app = ms.App(tmp_path / "state.db", registry=make_registry())
    is_ready, is_over = threading.Event(), threading.Event()

    async def work() -> None:
        async with app.running():
            is_ready.set()
            await asyncio.to_thread(is_over.wait, 60)

    worker = threading.Thread(target=lambda: asyncio.run(work()))
    worker.start()
    try:
        assert is_ready.wait(60)
        handle = app.start_sync("double", 21)
        assert (handle.result_sync(60), handle.status_sync()) == (42, RunState.SUCCEEDED)
        assert app.options(key="k").start_sync("double", 1).id == app.options(key="k").start_sync("double", 1).id
        assert app.publish_sync("paid", {}) == 0
        with pytest.raises(ConflictError):
            app.signal_sync(handle.id, "go")
        with pytest.raises(ConflictError):
            app.cancel_sync(handle.id)
        with pytest.raises(ConflictError):
            app.pause_sync(handle.id)
        with pytest.raises(ConflictError):
            app.resume_sync(handle.id)
        numbers = app.start_sync("twice", 1)
        assert numbers.result_sync(60) == [2, 4]
        forks = [app.fork_sync(numbers.id, None, arguments={"n": 7}, key="again") for _ in range(2)]
        assert [(fork.created, fork.result_sync(60)) for fork in forks] == [(True, [2, 4]), (False, [2, 4])]
        with pytest.raises(ConflictError):
            app.retry_sync(handle.id)
        with pytest.raises(NotFoundError):
            app.answer_sync(handle.id, "yes")
    finally:
        is_over.set()
        worker.join(60)


@pytest.mark.asyncio
async def test_blocking_twin_in_the_thread_of_a_loop_names_the_coroutine(tmp_path):
    """It would stop everything else in that loop."""
    app = ms.App(tmp_path / "state.db", registry=make_registry())
    with pytest.raises(ConflictError) as error:
        app.start_sync("double", 1)
    assert error.value.hint == "Write instead: await app.start(...)"


@pytest.mark.asyncio
async def test_run_is_started_by_name_without_its_code(tmp_path):
    """By the definition that a worker announced; its result is plain JSON."""
    async with World(tmp_path).engine(make_registry()) as engine:
        program = ms.App(engine.app.place, registry=Registry())
        handle = await program.start("twice", n=3)
        assert await handle.result(60) == [6, 8]
        with pytest.raises(ArgumentError, match="passed by name"):
            await program.start("twice", 3)
        with pytest.raises(ArgumentMismatchError, match=r"\$\.input\.n"):
            await program.start("twice", n="three")
        with pytest.raises(UnknownNameError, match="twcie"):
            await program.start("twcie", n=3)
        program.close()
    nowhere = ms.App(tmp_path / "none.db", registry=Registry())
    with pytest.raises(NoStoreError):
        await nowhere.start("twice", n=3)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.asyncio
async def test_published_state_is_committed_with_the_next_outcome(tmp_path):
    """A later step reads it from the store; it is typed, and stays after the end."""
    seen: list[object] = []

    async def nothing() -> None: ...

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            for number in range(5):
                run.publish_state({"number": number})
                await run.step(nothing)
                await run.step(read)

    async with World(tmp_path).engine(registry) as engine:

        async def read() -> None:
            (info,) = await engine.app.runs.list()
            seen.append(await engine.app.handle(info.id).published(dict[str, int]))

        handle = await engine.start(work)
        await handle.result()
        assert await handle.published() == {"number": 4}
        with pytest.raises(ValueRefusedError, match="state of run"):
            await handle.published(list[int])
        other = await engine.app.options(at=datetime.now(UTC) + timedelta(hours=1)).start(work)
        assert await other.published() is None
    assert seen == [{"number": number} for number in range(5)]


@pytest.mark.asyncio
async def test_view_of_a_run_has_its_values(tmp_path):
    """The result has the type of the annotation where the code is; elsewhere, and in all else, it is plain JSON."""
    with Registry() as registry:

        @ms.workflow(key="{day}")
        async def report(run: ms.Run, day: date, *, fails: bool) -> list[date]:
            run.publish_state({"pages": [1, 2]})
            run.tag(team="shop")
            if fails:
                raise ms.Permanent("no data")
            return [day]

    async with World(tmp_path).engine(registry) as engine:
        day = date(2026, 1, 5)
        done = await engine.app.options(headers={"tenant": "acme"}).start(report, day, fails=False)
        assert await done.result() == [day]
        view = await done.view()
        assert (view.result, view.input) == ([day], {"day": "2026-01-05", "fails": False})
        assert (view.published, view.tags, view.headers) == ({"pages": [1, 2]}, {"team": "shop"}, {"tenant": "acme"})
        assert (view.key, view.failure, view.parent, view.finished_at is None) == ("2026-01-05", None, None, False)
        elsewhere = ms.App(tmp_path / "state.db", registry=Registry())
        assert (await elsewhere.handle(done.id).view()).result == ["2026-01-05"]
        elsewhere.close()
        failed = await engine.start(report, date(2026, 1, 6), fails=True)
        with pytest.raises(ms.RunFailed):
            await failed.result()
        view = await failed.view()
        assert view.failure is not None
        assert (view.state, view.result, view.failure.message) == (RunState.FAILED, None, "no data")

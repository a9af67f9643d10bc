"""Steps in child processes: as many at once as there is room for, a queue that people see, methods, and a hint at the definition."""

import asyncio
import logging
import os

import pytest

import mainspring as ms
from mainspring.app.project import Project
from mainspring.app.workers import worker_runtime
from mainspring.config.loading import load
from mainspring.domain.states import RunState
from mainspring.engine.attempts.processes.child_pool import (
    CHILD_BYTES,
    ChildPool,
    compute_child_limit,
    read_memory_limit,
)
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.insight.runs.explanation import explain
from mainspring.store.read.status import status
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import Engine, World

pytestmark = pytest.mark.asyncio


async def test_the_limit_of_children_is_the_least_of_what_bounds_them(tmp_path):
    """Configuration, concurrency and memory; a container counts if it has less than the machine."""
    gigabyte = 10**9
    assert compute_child_limit(16, 64, 24 * gigabyte) == 16
    assert compute_child_limit(16, 3, 24 * gigabyte) == 3
    assert compute_child_limit(16, 64, gigabyte // 4) == 6
    assert compute_child_limit(100, 64, 24 * gigabyte) == 64
    assert compute_child_limit(16, 64, CHILD_BYTES // 2) == 1
    for text, is_less in (("max", False), ("1000000\n", True), ("9" * 19, False)):
        (tmp_path / "memory.max").write_text(text, encoding="ascii")
        found = read_memory_limit((tmp_path / "memory.max", tmp_path / "no such file"))
        assert (found == 1_000_000) is is_less
        assert found > 0


@pytest.mark.parametrize(("text", "size"), [("", 32), ("threads = 7", 7), ("threads = 7\nprocesses = 5", 5)])
async def test_pool_of_child_processes_is_as_large_as_that_of_threads_unless_it_is_set(
    tmp_path, monkeypatch, text, size
):
    """A time-out moves a plain function from one to the other, and must not make it wait."""
    monkeypatch.setattr(worker_runtime, "read_memory_limit", lambda: 10**12)
    (tmp_path / "mainspring.toml").write_text(f"[worker]\n{text}\n", encoding="utf-8")
    settings = load(env={}, cwd=tmp_path, uid=os.getuid(), flags={"store.url": str(tmp_path / "state.db")})
    runtime = Project(settings).make_runtime(Registry())
    await runtime.open()
    try:
        assert runtime._pool is not None
        assert runtime._pool._size == size
    finally:
        await runtime.close(drain=0)


async def test_more_than_four_plain_functions_with_a_time_out_run_at_once(tmp_path):
    """The pool grows on demand: each of six waits until all six are there."""
    signs = tmp_path / "signs"
    signs.mkdir()
    with Registry() as registry:

        @ms.workflow
        async def many(run: ms.Run) -> list[int]:
            ask = [
                run.options(timeout="60s", key=str(n)).step(engine_steps.wait_for_count, str(signs), str(n), 6)
                for n in range(6)
            ]
            return await asyncio.gather(*ask)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(many)).result(60) == [6] * 6


async def test_explain_displays_the_queue_for_a_child_process(tmp_path):
    """Which step waits, how many children are busy, and its place in the line; once it runs the sentence is gone."""
    there = tmp_path / "there"
    with Registry() as registry:

        @ms.workflow
        async def once(run: ms.Run) -> str:
            return await run.options(timeout="60s").step(engine_steps.wait_for_file, str(there))

    async with World(tmp_path).engine(registry, WorkerOptions(), processes=1) as engine:
        first, second, third = [await engine.start(once) for _ in range(3)]
        sentence = await engine.when(lambda: sentences(engine, third.id), lambda found: "number 2 of 2" in found)
        assert "Step wait_for_file waits for a child process of its worker: the only child process is busy" in sentence
        assert "worker.processes" in sentence
        assert "waits for a child" not in sentences(engine, first.id)
        there.touch()
        for run in (first, second, third):
            assert await run.result(60) == str(there)
        await engine.when(
            lambda: engine.working.store.reader.read("read_child_queue", (engine.working.store.session,)),
            lambda rows: not rows,
        )


def sentences(engine: Engine, run: str) -> str:
    """Return what `explain` says the run is doing."""
    reader = engine.working.store.reader
    blocker = status.blocker(reader, run)
    assert blocker is not None
    return " ".join(explain(engine.history(run), blocker, engine.app.clock.now()).what)


async def test_idle_children_beyond_a_few_are_ended(tmp_path):
    """The pool shrinks when the load is over, and keeps four warm."""
    loop = asyncio.get_running_loop()
    children = ChildPool(loop, size=6, on_report=lambda *_: None)
    try:
        children.warm(6)
        assert len(children.pids) == 6
        children._trim()
        async with asyncio.timeout(30):
            while len(children.pids) > 4:
                await asyncio.sleep(0)
        assert len(children._idle) == 4
    finally:
        children.close()


async def test_a_bound_method_of_an_object_of_a_module_runs_in_a_child(tmp_path):
    """The child has an object of its own; one that no module holds is refused with the fix."""
    local = engine_steps.Meter()
    with Registry() as registry:

        @ms.workflow
        async def reads(run: ms.Run) -> list[int]:
            return await run.options(timeout="30s").step(engine_steps.METER.read, 7)

        @ms.workflow
        async def refused(run: ms.Run) -> list[int]:
            return await run.options(timeout="30s").step(local.read, 7)

    async with World(tmp_path).engine(registry) as engine:
        number, readings, pid = await (await engine.start(reads)).result(30)
        assert (number, readings) == (7, 1)
        assert pid != os.getpid()
        assert engine_steps.METER.readings == 0
        view = await engine.until(await engine.start(refused), RunState.FAILED)
    assert "a method of an object that no module holds under a name" in view.failure.message
    assert "top level of a module" in view.failure.hint


async def test_a_plain_function_with_a_time_out_is_hinted_at_where_it_is_defined():
    """Its author hears that it moves to a child process; who has said where it runs, or has a coroutine, hears nothing."""
    with Registry() as registry:

        @ms.step(timeout="5s")
        def moved() -> None:
            """Run in a child."""

        @ms.task(timeout="5s")
        def moved_task() -> None:
            """Run in a child."""

        @ms.step(timeout="5s", isolate="process")
        def chosen() -> None:
            """Run in a child, as said."""

        @ms.step(timeout="5s")
        async def in_loop() -> None:
            """Run in the loop."""

        @ms.step()
        def in_thread() -> None:
            """Run in a thread."""

    assert [hint.split(" runs in a child process")[0] for hint in registry.hints] == [
        "step 'moved'",
        "task 'moved_task'",
    ]
    assert all("test_engine_child_pool.py:" in hint and 'isolate="thread"' in hint for hint in registry.hints)


async def test_hint_is_logged_at_the_first_start_of_its_code_only(tmp_path, caplog, monkeypatch):
    """A later process starts the same code without a hint; changed code gets it again."""
    caplog.set_level(logging.INFO, logger="mainspring.worker")

    async def start(declare):
        monkeypatch.setattr(worker_runtime, "_LOGGED_HINTS", set())  # as a new process
        caplog.clear()
        with Registry() as registry:
            declare()
        worker = worker_runtime.WorkerRuntime(tmp_path / "state.db", registry)
        await worker.open()
        await worker.close()
        return ["runs in a child process" in record.message for record in caplog.records].count(True)

    def declare():
        @ms.step(timeout="1m")
        def slow() -> int:
            return 1

        @ms.workflow
        async def calls(run: ms.Run) -> int:
            return await run.step(slow)

    def declare_more():
        declare()

        @ms.task
        def other() -> None: ...

    assert [await start(code) for code in (declare, declare, declare_more)] == [1, 0, 1]


async def test_a_program_of_the_user_is_warned_once_that_a_time_out_moves_a_function(tmp_path, caplog):
    """A worker's log says it as information; here only warnings are seen."""
    with Registry() as registry:

        @ms.task(timeout="5s")
        def warned_of() -> None:
            """Run in a child."""

    app = ms.App(tmp_path / "s.db", registry=registry)
    for _ in range(2):
        async with app.running():
            pass
    hints = [record.levelname for record in caplog.records if "'warned_of' runs in a child process" in record.message]
    assert hints.count("WARNING") == 1

"""What bad input, bad code and a full disk get: what is wrong, where and how to fix it; nothing is lost, nothing hangs."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import (
    ArgumentError,
    ConflictError,
    DefinitionError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


@dataclass
class Line:
    """One line of an order."""

    count: int


@dataclass
class Order:
    """An order with lines."""

    lines: list[Line]


@ms.step
def decorated(number: int) -> int:
    """A step that a body must not call by itself."""
    return number


def one_step(step: Any, *args: Any, **options: Any) -> tuple[Registry, object]:
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> object:
            return await run.options(**options).step(step, *args)  # type: ignore[arg-type]

    return registry, work


async def test_result_that_cannot_be_saved_needs_attention_and_is_never_repeated(tmp_path):
    """The effect took place: a person gives the result, the step is not called again."""
    calls: list[int] = []

    async def make() -> object:
        calls.append(1)
        return {"value": float("nan")}

    registry, work = one_step(make)
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.VALUE_REFUSED
        assert "make" in view.failure.message
        assert "$.value" in view.failure.message
        assert engine.history(run).outcomes[0].state is OutcomeState.REFUSED
        with pytest.raises(ConflictError, match="could not be saved"):
            await engine.app.retry(run.id)
        await engine.give(run, b'{"value": 1.5}')
        assert await run.result(60) == {"value": 1.5}
    assert calls == [1]


async def test_result_that_is_too_large_is_refused_with_its_size(tmp_path):
    """Whatever the limit is."""

    async def make() -> str:
        return "x" * 300_000

    registry, work = one_step(make)
    async with World(tmp_path).engine(registry, payload_max="256KiB") as engine:
        view = await engine.until(await engine.start(work), RunState.NEEDS_ATTENTION)
    assert view.reason == FailureReason.VALUE_REFUSED
    assert "300,002 bytes" in view.failure.message


async def test_input_of_a_step_that_cannot_be_saved_fails_before_the_step(tmp_path):
    """Nothing was done, so the run simply fails, and names step and path."""
    calls: list[object] = []

    async def take(value: object) -> None:
        calls.append(value)

    registry, work = one_step(take, {"a": [1, object()]})
    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.VALUE_REFUSED
    assert "take" in view.failure.message
    assert "$.value.a[1]" in view.failure.message
    assert calls == []


async def test_workflows_own_result_that_cannot_be_saved_fails_the_run(tmp_path):
    """Its steps stay done."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> object:
            return object()

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.VALUE_REFUSED
    assert "result of work" in view.failure.message


async def test_wrong_arguments_of_a_start_are_refused_at_once(tmp_path):
    """By name, by type, with the path inside the value; no run is made."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, order: Order) -> None: ...

    async with World(tmp_path).engine(registry) as engine:
        with pytest.raises(ArgumentError, match="ordre"):
            await engine.start(work, ordre=Order([]))
        with pytest.raises((ArgumentError, ValueRefusedError), match=r"lines\[0\]\.count"):
            await engine.start(work, {"lines": [{"count": "many"}]})
        with pytest.raises(UnknownNameError, match="work"):
            await engine.app.start("wrok")
        assert engine.reads.list_runs().runs == []


async def test_decorated_step_called_directly_from_a_body_displays_the_form_to_use(tmp_path):
    """No silent hole in the journal."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return decorated(1)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert "run.step(decorated" in f"{view.failure.message} {view.failure.hint}"


async def test_body_that_waits_for_nothing_that_can_come_fails_instead_of_hanging(tmp_path):
    """An event of its own that no one sets is found out at once."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await asyncio.Event().wait()

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert view.reason == FailureReason.BODY_ERROR
    assert "run.step" in view.failure.hint


async def test_socket_in_a_body_is_refused_with_the_form_to_use(tmp_path):
    """A body is no place for effects."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            reader, writer = socket.socketpair()
            try:
                await asyncio.get_running_loop().sock_recv(reader, 1)
            finally:
                reader.close()
                writer.close()

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert "run.step" in f"{view.failure.message} {view.failure.hint}"


async def test_step_requested_twice_under_one_key_at_once_is_refused(tmp_path):
    """Two requests of one identity could not be distinguished."""
    entered = asyncio.Event()

    async def work_on() -> None:
        entered.set()

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await asyncio.gather(*[run.options(key="k").step(work_on) for _ in range(2)])

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert "called twice" in view.failure.message


async def test_workflow_that_is_not_async_is_refused_at_declaration(tmp_path):
    """With the line to write instead."""
    with Registry(), pytest.raises(DefinitionError, match="not async") as refused:

        @ms.workflow
        def work(run: ms.Run) -> None: ...

    assert "async def work(run: ms.Run" in refused.value.hint


async def test_module_that_fails_to_import_leaves_the_others_working_and_is_a_visible_problem(tmp_path):
    """The problem is in the store, not only in a log."""
    (tmp_path / "bad_ones.py").write_text(
        "import mainspring as ms\n\n@ms.task\ndef lost(): ...\n\nraise RuntimeError('broken')\n"
    )
    (tmp_path / "good_ones.py").write_text("import mainspring as ms\n\n@ms.task\ndef fine() -> int:\n    return 4\n")
    registry = Registry.load(["bad_ones.py", "good_ones.py"], tmp_path)
    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.app.start("fine")).result(60) == 4
        (problem,) = msgspec.json.decode(engine.reads.meta(PROBLEMS_KEY))
    assert "broken" in problem["what"]
    assert "bad_ones.py" in problem["where"]
    assert "lost" not in registry.automations


async def test_two_automations_of_one_name_are_a_problem_and_the_first_one_stays(tmp_path):
    """Both places are named."""
    for name, value in (("one_place.py", 1), ("two_places.py", 2)):
        (tmp_path / name).write_text(f"import mainspring as ms\n\n@ms.task\ndef twin() -> int:\n    return {value}\n")
    registry = Registry.load(["one_place.py", "two_places.py"], tmp_path)
    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.app.start("twin")).result(60) == 1
        (problem,) = msgspec.json.decode(engine.reads.meta(PROBLEMS_KEY))
    assert "one_place.py" in problem["what"]
    assert "two_places.py" in problem["what"]


async def test_cron_that_never_fires_is_refused(tmp_path):
    """The 30th of February does not come."""
    with Registry(), pytest.raises(ms.MainspringError, match="never"):

        @ms.task(cron="0 0 30 2 *")
        def work() -> None: ...


async def test_scheduled_task_that_cannot_start_by_itself_is_a_visible_problem(tmp_path):
    """PEERS 10: a schedule that can start nothing does not keep quiet about it."""
    with Registry() as registry:

        @ms.task(every="1h")
        def work(account: str) -> None: ...

    with pytest.raises(DefinitionError, match="'work' has a schedule, but its parameter 'account' has no default"):
        async with World(tmp_path).engine(registry):
            raise AssertionError("it works without a word")


async def test_peer_dagster_10755_run_that_cannot_even_load_is_on_record_as_stopped(tmp_path):
    """PEERS 10: a failure to start is a run that needs attention, not a gap in a green history."""
    world = World(tmp_path)

    def release(parameter: type) -> tuple[Registry, object]:
        with Registry() as registry:

            async def work(run: ms.Run, value: object) -> None: ...

            work.__annotations__["value"] = parameter
            made = ms.workflow(name="work")(work)
        return registry, made

    registry, work = release(str)
    async with world.engine(registry) as engine:
        from datetime import UTC, datetime, timedelta

        due_at = datetime.now(UTC) + timedelta(seconds=3)
        run = await engine.app.options(at=due_at).start(work, "text")
    registry, _ = release(int)
    async with world.engine(registry) as engine:
        view = await engine.until(run.id, RunState.NEEDS_ATTENTION, RunState.FAILED)
    assert "input of work" in view.failure.message


async def test_full_disk_holds_runs_and_lets_them_continue_when_there_is_space(tmp_path):
    """Nothing fails: what is to be saved waits, and the trouble is reported."""
    calls: list[int] = []

    async def work_on(number: int) -> str:
        calls.append(number)
        return "x" * 50_000

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return len([await run.options(key=str(n)).step(work_on, n) for n in range(6)])

    async with World(tmp_path).engine(registry) as engine:
        connection = engine.working.store._database.connection
        pages = connection.pragma("page_count")
        connection.pragma("max_page_count", pages + 20)
        run = await engine.start(work)
        await engine.when(lambda: engine.working.commit_error, bool)
        assert "full" in engine.working.commit_error
        assert await run.status() is RunState.RUNNING
        connection.pragma("max_page_count", 1_000_000)
        assert await run.result(60) == 6
        assert engine.working.commit_error is None
    assert calls == list(range(6))


async def test_runs_that_fail_keep_no_other_from_ending(tmp_path):
    """Each run stands on its own, also where all are at work at once."""
    with Registry() as registry:

        @ms.workflow
        async def good(run: ms.Run) -> int:
            return 1

        @ms.workflow
        async def bad(run: ms.Run) -> int:
            raise KeyError("x")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        runs = [await engine.start(bad if n % 2 else good) for n in range(6)]
        ended = [await engine.until(run, RunState.FAILED, RunState.SUCCEEDED) for run in runs]
    assert [view.state for view in ended] == [RunState.SUCCEEDED, RunState.FAILED] * 3

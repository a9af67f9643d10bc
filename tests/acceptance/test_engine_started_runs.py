"""`run.start`: runs that the code of a run starts, and that have their own life."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("ending", ["awaited", "task", "failure", "kept child"])
async def test_a_started_run_outlives_the_run_that_started_it(tmp_path, ending):
    """It starts also as the last act of a body, of a task that no one awaits, and of a body that then fails."""
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run, n: int) -> int:
            return n + await run.receive("n", int)

        @ms.workflow
        async def order(run: ms.Run) -> None:
            tasks = []
            match ending:
                case "awaited":
                    await run.start(mail, 1)
                case "kept child":
                    tasks.append(asyncio.create_task(run.options(close="keep").child(mail, 1)))
                    await asyncio.sleep(0)
                    raise ms.Permanent("no stock")
                case _:
                    tasks.append(asyncio.create_task(run.start(mail, 1)))
                    if ending == "failure":
                        await asyncio.sleep(0)
                        raise ms.Permanent("no stock")

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        ended = await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)
        assert ended.state is (RunState.FAILED if ending in ("failure", "kept child") else RunState.SUCCEEDED)
        history = engine.history(run)
        (started,) = history.children if ending == "kept child" else history.started
        assert engine.view(started.id).state not in (RunState.CANCELLED, RunState.FAILED)
        await engine.app.signal(started.id, "n", 2)
        assert await engine.app.handle(started.id).result(60) == 3


async def test_the_body_gets_the_id_and_can_send_to_the_run(tmp_path):
    """The id is an outcome: a replay gets it again, and starts nothing more. Its own end does not wake the run."""
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run) -> int:
            return await run.receive("n", int)

        @ms.workflow
        async def order(run: ms.Run) -> list[str]:
            first = await run.options(run_key="one").start(mail)
            second = await run.options(run_key="one").start("mail")
            await run.signal(first.id, "n", 4)
            await asyncio.sleep(0.01)
            return [first.id, str(first.created), second.id, str(second.created)]

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        first, created, second, created_again = await run.result(60)
        assert (first, created, created_again) == (second, "True", "False")
        assert await engine.app.handle(first).result(60) == 4
        assert [row.id for row in engine.history(run).started] == [first]
        assert engine.view(first).parent is None


async def test_a_refused_start_is_an_error_where_it_is_awaited(tmp_path):
    """A run key that was used with another input refuses the start; the code may continue."""
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run, n: int) -> int:
            return n

        @ms.workflow
        async def order(run: ms.Run) -> str | None:
            await run.options(run_key="one").start(mail, 1)
            try:
                await run.options(run_key="one").start(mail, 2)
            except ms.StepFailed as error:
                return error.failure.code
            return None

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(order)).result(60) == "key_conflict"


async def test_a_failed_started_run_is_reported_by_itself(tmp_path):
    """No one waits for it: its failure is a member of an incident at once, while the run that started it still works."""
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run) -> None:
            raise ms.Permanent("no such address")

        @ms.workflow
        async def order(run: ms.Run) -> None:
            await run.start(mail)
            await run.receive("go")

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(order)
        (started,) = await engine.when(lambda: engine.history(run).started, bool)
        await engine.until(started.id, RunState.FAILED)
        failed = engine.working.store.reader.read_text("select run from failures where settled_at is null", ())
        assert failed == [(started.id,)]
        await engine.until(run, RunState.WAITING)


async def test_a_generation_from_before_the_start_starts_another_run(tmp_path):
    """A retry from an earlier step is a new request; the first run continues, for it is no child."""
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run) -> int:
            return await run.receive("n", int)

        @ms.workflow
        async def order(run: ms.Run) -> None:
            await run.start(mail)
            raise ms.Permanent("later")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(order)
        await engine.until(run, RunState.FAILED)
        await engine.act(run_recovery.retry_from, run.id, "mail#1")
        started = await engine.when(lambda: engine.history(run).started, lambda rows: len(rows) == 2)
        assert [row.state for row in started] == [RunState.WAITING] * 2 or await engine.until(
            started[1].id, RunState.WAITING
        )


@pytest.mark.parametrize("option", ["timeout", "undo", "delivery", "isolate", "close"])
async def test_an_option_that_does_not_apply_is_an_error_with_its_fix(tmp_path, option):
    """A run of its own has its own limits: the error names where to set them."""
    values = {"timeout": "1s", "undo": print, "delivery": "at_most_once", "isolate": "thread", "close": "keep"}
    with Registry() as registry:

        @ms.workflow
        async def mail(run: ms.Run) -> None: ...

        @ms.workflow
        async def order(run: ms.Run) -> str:
            with pytest.raises(
                OptionError, match=rf"run.options\({option}=...\) has no effect on run.start\(mail"
            ) as refused:
                await run.options(**{option: values[option]}).start(mail)
            return refused.value.hint or ""

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(order)).result(60)

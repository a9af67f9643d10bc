"""Products: what a run promises to make is looked for after it ended well, under the name its slot and arguments give it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio

ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.NEEDS_ATTENTION)
BEGIN = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)


def scripted(folder: Path, **options) -> Registry:
    with Registry() as registry:
        command = ["sh", "-c", "mkdir -p out && echo x > out/2026-05-01.txt"]
        ms.script("nightly", command, cwd=str(folder), produces="out/{slot:%F}.txt", **options)
    return registry


async def test_script_of_a_schedule_makes_the_file_of_its_slot(tmp_path):
    """`{slot:%F}` is the day of the slot."""
    clock = FakeClock(BEGIN)
    async with World(tmp_path, clock).engine(scripted(tmp_path, cron="* * * * *"), AT_ONCE) as engine:
        await engine.pass_time(timedelta(seconds=30))
        run = (await engine.when(lambda: engine.reads.list_runs(name="nightly").runs, bool))[0]
        view = await engine.until(run.id, *ENDED)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert view.output_size == 2


async def test_script_that_a_person_starts_has_its_start_for_a_slot(tmp_path):
    """Without a schedule `{slot}` is when the run was asked for; the wrong day is reported, and why it failed."""
    clock = FakeClock(BEGIN)
    registry = scripted(tmp_path, tz="UTC", retry=1)
    async with World(tmp_path, clock).engine(registry, AT_ONCE) as engine:
        first = await engine.until(await engine.start(registry.get("nightly")), *ENDED)
        clock.advance(timedelta(days=1))
        second = await engine.until(await engine.start(registry.get("nightly")), *ENDED)
    assert first.state is RunState.SUCCEEDED, first.failure
    assert (second.state, second.reason) == (RunState.FAILED, FailureReason.NO_OUTPUT)
    assert "out/2026-05-02.txt: nothing matches" in second.failure.message


async def test_task_that_promises_a_file_fails_without_it_and_is_not_run_again(tmp_path):
    """Its result is saved; the look after it fails for good, and looks again when the run is continued."""
    calls = []
    with Registry() as registry:

        @ms.task(produces=str(tmp_path / "{account}.csv"))
        def export(account: str = "main") -> int:
            calls.append(account)
            return 7

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        run = await engine.start(export)
        view = await engine.until(run, *ENDED)
        assert (view.state, view.reason) == (RunState.FAILED, FailureReason.NO_OUTPUT)
        assert f"{tmp_path}/main.csv: nothing matches" in view.failure.message
        (tmp_path / "main.csv").write_text("1")
        await engine.app.retry(run.id)
        assert (await engine.until(run, RunState.SUCCEEDED)).output_size == 1
        assert await run.result() == 7
    assert calls == ["main"]


async def test_workflow_whose_file_is_an_old_one_fails(tmp_path):
    """A file from before the run is none of its own; one that it wrote is."""
    made = tmp_path / "eu.txt"
    made.write_text("from before")
    os.utime(made, (1_000_000_000, 1_000_000_000))

    def write(path: str) -> None:
        Path(path).write_text("new")

    with Registry() as registry:

        @ms.workflow(produces=str(tmp_path / "{area}.txt"))
        async def report(run: ms.Run, area: str, *, writes: bool) -> str:
            if writes:
                await run.options(isolate="thread").step(write, f"{tmp_path}/{area}.txt")
            return "done"

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        stale = await engine.until(await engine.start(report, "eu", writes=False), *ENDED)
        fresh = await engine.until(await engine.start(report, "eu", writes=True), *ENDED)
    assert (stale.state, stale.reason) == (RunState.FAILED, FailureReason.NO_OUTPUT)
    assert "eu.txt was last changed before the start" in stale.failure.message
    assert fresh.state is RunState.SUCCEEDED, fresh.failure
    assert (stale.output_size, fresh.output_size) == (None, 3)


async def test_argument_that_cannot_name_a_file_is_refused_at_the_start(tmp_path):
    """A list fits no path: said before anything runs."""
    with Registry() as registry:

        @ms.task(produces="{days}.txt")
        def export(days: list[str]) -> None: ...

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        with pytest.raises(OptionError, match="option 'produces' of 'export'"):
            await engine.start(export, ["mon"])

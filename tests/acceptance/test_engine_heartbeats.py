"""Attempts that give no sign of life are ended and retried, wherever they run; code that cannot be stopped is waited for."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError, OptionError
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.journal import SaveCheckpoint
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio

TWICE = {"attempts": 2, "initial": "1ms"}


def text_of(explanation: Any) -> str:
    return str(explanation)


async def test_silent_coroutine_is_ended_and_the_next_attempt_succeeds(tmp_path):
    """Under the policy, and with a reason that names step, limit and last sign."""
    attempts: list[int] = []

    async def load() -> str:
        attempts.append(ms.attempt())
        if len(attempts) == 1:
            ms.progress(1, 2)
            await asyncio.Event().wait()
        return "done"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(heartbeat="300ms", retry=TWICE).step(load)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        assert await run.result(60) == "done"
        (failed,) = [attempt for attempt in engine.history(run).attempts if attempt.failure is not None]
    assert attempts == [1, 2]
    assert failed.failure.code == "heartbeat_timeout"
    assert failed.failure.message.startswith(
        "attempt 1 of step 'load' gave no sign of life for its heartbeat of 300ms: the last one was progress, "
    )


async def test_explain_names_the_silence_while_the_next_attempt_is_not_due(tmp_path):
    """And the error of the run after the last one."""

    async def load() -> None:
        await asyncio.Event().wait()

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, retry: dict[str, Any]) -> None:
            await run.options(heartbeat="50ms", retry=ms.Retry.parse(retry)).step(load)

    async with World(tmp_path).engine(registry) as engine:
        waits = await engine.start(work, {"attempts": 2, "initial": "1h", "max": "1h", "jitter": False})
        await engine.until(waits, RunState.RETRYING)
        assert "gave no sign of life for its heartbeat of 50ms" in text_of(engine.explain(waits))
        fails = await engine.start(work, {"attempts": 1})
        view = await engine.until(fails, RunState.FAILED)
        assert view.reason == FailureReason.RETRIES_EXHAUSTED
        assert view.failure.code == "heartbeat_timeout"
        assert "gave no sign of life for its heartbeat of 50ms" in text_of(engine.explain(fails))


async def test_silent_plain_function_runs_in_a_process_that_is_ended(tmp_path):
    """A heartbeat moves a `def` step to a child process, as a time-out does: only there it really ends."""
    place = tmp_path / "pid"
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(heartbeat="5s", retry=1).step(engine_steps.sleep_long, str(place))

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
        pid = int(place.read_text())
        assert pid != os.getpid()
        await engine.when(lambda: Path(f"/proc/{pid}").exists(), lambda exists: not exists)
    assert view.failure.message == (
        "attempt 1 of step 'sleep_long' gave no sign of life for its heartbeat of 5s since its start"
    )


@pytest.mark.parametrize("limit", ["heartbeat", "timeout"])
@pytest.mark.parametrize("overlap", [False, True])
async def test_next_attempt_waits_for_the_thread_unless_attempts_may_overlap(tmp_path, overlap, limit):
    """By default two attempts of a step never run at the same time."""
    go, events = threading.Event(), []

    def send() -> str:
        number = ms.attempt()
        events.append(f"begin {number}")
        if number == 1:
            go.wait(60)
        events.append(f"end {number}")
        return f"sent by {number}"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            options: dict[str, Any] = {limit: "50ms", "isolate": "thread", "overlap_attempts": overlap}
            return await run.options(**options, retry=TWICE).step(send)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        if overlap:
            await engine.until(run, RunState.SUCCEEDED)
            assert events == ["begin 1", "begin 2", "end 2"]
        await engine.when(lambda: engine.working.worker.attempts.abandoned_count, lambda count: count == 1)
        if not overlap:
            assert events == ["begin 1"]
            assert engine.view(run).state is RunState.RUNNING
        go.set()
        assert await run.result(60) == "sent by 2"
        await engine.when(lambda: engine.working.worker.attempts.abandoned_count, lambda count: count == 0)
    if not overlap:
        assert events == ["begin 1", "end 1", "begin 2", "end 2"]


async def test_thread_that_does_not_end_is_reported_as_stalled(tmp_path):
    """Nothing ends it in this process: a person is notified, with its stack."""
    go = threading.Event()

    def send() -> None:
        go.wait(60)

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(heartbeat="50ms", isolate="thread", retry=1).step(send)

    async with World(tmp_path).engine(registry, WorkerOptions(stalled_ms=1)) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.working.worker.attempts.has_only_unstoppable, bool)

        def stalls() -> Any:
            engine.working.worker.stalled.check()
            return engine.history(run).stalls

        (stall,) = await engine.when(stalls, bool)
        assert stall.step == "send"
        assert ".send" in " ".join(stall.stack)
        go.set()
        view = await engine.until(run, RunState.FAILED)
        assert view.failure.code == "heartbeat_timeout"
        assert engine.history(run).stalls == []


async def test_worker_that_drains_leaves_the_thread_and_the_next_attempt_waits_for_its_process(tmp_path):
    """The failure is saved, and the next attempt is due when this process has ended."""
    go = threading.Event()

    def send() -> None:
        go.wait(60)

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(heartbeat="50ms", isolate="thread", retry=TWICE).step(send)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.working.worker.attempts.has_only_unstoppable, bool)
        await engine.working.drain(30)
        (attempt,) = engine.history(run).attempts
        assert attempt.failure.code == "heartbeat_timeout"
        assert attempt.failure.message.endswith("its heartbeat of 50ms since its start")
        assert attempt.next_at - attempt.ended_at >= 10_000
        assert engine.view(run).state is RunState.QUEUED
        go.set()


@pytest.mark.parametrize("isolate", [None, "thread"])
async def test_silence_of_an_at_most_once_step_is_in_doubt(tmp_path, isolate):
    """It may have had its effect: a person decides, no attempt follows."""
    go, calls = threading.Event(), []

    async def pay_in_loop() -> None:
        calls.append(1)
        await asyncio.Event().wait()

    def pay() -> None:
        calls.append(1)
        go.wait(60)

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            options = run.options(heartbeat="50ms", delivery="at_most_once", isolate=isolate, retry=TWICE)
            await options.step(pay if isolate else pay_in_loop)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        if isolate:
            await engine.when(lambda: engine.working.worker.attempts.has_only_unstoppable, bool)
            assert engine.view(run).state is RunState.RUNNING
            go.set()
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        (outcome,) = engine.history(run).outcomes
    assert view.reason == FailureReason.IN_DOUBT
    assert outcome.state is OutcomeState.IN_DOUBT
    assert outcome.failure.code == "heartbeat_timeout"
    assert calls == [1]


async def test_heartbeat_of_a_step_that_waits_for_the_store_is_not_over(tmp_path, monkeypatch):
    """While no commit is answered the attempt cannot show that it works."""
    held: list[Any] = []

    async def save() -> str:
        await ms.checkpoint(1)
        return "saved"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.options(heartbeat="20ms", retry=1).step(save)

    async with World(tmp_path).engine(registry) as engine:
        store = engine.working.worker.store
        submit = store.submit

        def hold(command: Any, on_done: Any) -> None:
            if isinstance(command, SaveCheckpoint):
                held.append((command, on_done))
            else:
                submit(command, on_done)

        monkeypatch.setattr(store, "submit", hold)
        run = await engine.start(work)
        await engine.when(lambda: held, bool)
        loop = asyncio.get_running_loop()
        real, turns = loop.time, iter(range(1_000))
        monkeypatch.setattr(loop, "time", lambda: real() + 3600)
        for _ in turns:
            await asyncio.sleep(0)
        assert engine.working.worker.attempts.live_count == 1
        monkeypatch.setattr(store, "submit", submit)
        submit(*held[0])
        assert await run.result(60) == "saved"


async def test_task_on_the_fast_path_has_its_heartbeat(tmp_path):
    """A run of one step, with signs and without."""
    calls: list[int] = []

    with Registry() as registry:

        @ms.task(heartbeat="200ms", retry=ms.Retry(2, initial="1ms"))
        async def sync() -> str:
            calls.append(ms.attempt())
            ms.heartbeat()
            if len(calls) == 1:
                await asyncio.Event().wait()
            return "synced"

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(sync)
        assert await run.result(60) == "synced"
        failures = [attempt.failure.message for attempt in engine.history(run).attempts if attempt.failure]
    assert calls == [1, 2]
    assert "the last one was a heartbeat, " in failures[0]


async def test_spread_step_has_the_heartbeat_of_its_call(tmp_path):
    """It travels with the input of its run."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(heartbeat="5s", queue="default", retry=1).step(
                engine_steps.sleep_long, str(tmp_path / "pid")
            )

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        (child,) = engine.history(run).children
        assert engine.view(child.id).failure.code == "heartbeat_timeout"


async def test_script_without_output_is_ended(tmp_path):
    """Output is its sign of life; the failure names the script, the limit and its last output."""
    with Registry() as registry:
        ms.script("backup", ["sh", "-c", "echo begin; exec sleep 60"], heartbeat="1s", retry=1)
        ms.script("quiet", ["sleep", "60"], heartbeat="300ms", retry=1)
    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.app.start(name) for name in ("backup", "quiet")]
        failures = [(await engine.until(run, RunState.FAILED)).failure for run in runs]
    assert failures[0].message.startswith(
        "step 'backup' (sh) gave no sign of life for its heartbeat of 1s: its last output came "
    )
    assert failures[0].hint == "Its last line: begin"
    assert failures[1].message == (
        "step 'quiet' (sleep) gave no sign of life for its heartbeat of 300ms: it wrote no output"
    )
    assert {failure.code for failure in failures} == {"timeout"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overlap_attempts": True}, "no time-out ends its attempts"),
        ({"overlap_attempts": True, "timeout": "1m"}, "ends its child process"),
        ({"heartbeat": "soon"}, "heartbeat"),
        ({"heartbeat": 0}, "heartbeat"),
    ],
)
async def test_option_that_has_no_effect_on_a_step_is_an_error(tmp_path, options, words):
    """With the reason, at the call."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(**options).step(engine_steps.double, 1)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    assert words in view.failure.message
    assert view.failure.type.endswith(OptionError.__name__)


@pytest.mark.parametrize("option", [{"heartbeat": "1m"}, {"overlap_attempts": True}])
@pytest.mark.parametrize("call", ["child", "start"])
async def test_option_of_attempts_is_an_error_on_a_child_or_a_run_of_its_own(tmp_path, call, option):
    """With the place where it belongs."""
    with Registry() as registry:

        @ms.workflow
        async def other(run: ms.Run) -> None: ...

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await getattr(run.options(**option), call)(other)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED)
    (name,) = option
    assert f"run.options({name}=...) has no effect on run.{call}(other, ...)" in view.failure.message
    assert f"{name}= on its steps" in (view.failure.hint or "")


async def test_heartbeat_outside_of_a_step_names_the_fix():
    """In plain code it is an error, not a silent nothing."""
    with pytest.raises(ms.MainspringError, match=r"ms.heartbeat\(\) was called outside a step") as caught:
        ms.heartbeat()
    assert "run.step" in (caught.value.hint or "")
    assert not isinstance(caught.value, DefinitionError)

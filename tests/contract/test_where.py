"""Where a running attempt stands, asked of real steps in the loop, in a thread, in a child process, and of a command."""

import asyncio
import os
import signal

import pytest

from mainspring.engine.attempts.attempt_reports import LogReport
from mainspring.engine.attempts.processes import process_attempt
from mainspring.engine.commands.command_step import run_command
from tests.contract import isolated_steps as steps
from tests.contract.test_isolation import using


async def where(handle):
    """What an attempt answers."""
    answer = asyncio.get_running_loop().create_future()
    handle.request_stack(answer.set_result)
    return await answer


async def until(holds):
    while not holds():
        await asyncio.sleep(0.001)


async def _reads():
    await asyncio.Event().wait()


async def _fetches():
    await asyncio.create_task(_reads())


def test_coroutine_reports_what_it_waits_for():
    """Through the tasks that it made."""

    async def scenario(bench):
        handle, ended = bench.start(_fetches)
        await asyncio.sleep(0.001)
        lines = await where(handle)
        assert [line.rpartition(" ")[2] for line in lines[1:3]] == ["_fetches", "_reads"]
        assert lines[1].startswith(f"{__file__}:")
        handle.cancel("enough")
        assert (await ended).cancelled

    using("loop", scenario)


def test_thread_reports_its_frames_or_that_there_is_none_for_it(tmp_path):
    """Two threads are busy; the third step waits for one of them."""

    async def scenario(bench):
        go = tmp_path / "go"
        running = [bench.start(steps.waits_for, str(go)) for _ in range(2)]
        waiting, ended = bench.start(steps.double, 1)
        assert any(line.endswith(" waits_for") for line in await where(running[0][0]))
        assert (await where(waiting)) == ["it waits for a free thread: worker.threads sets how many there are"]
        go.touch()
        await asyncio.gather(ended, *(end for _, end in running))

    using("thread", scenario)


def test_child_reports_its_frames_and_what_it_started(tmp_path):
    """Or, where all are busy, that there is none for it."""

    async def scenario(bench):
        go = tmp_path / "go"
        handle, ended = bench.start(steps.starts_and_waits, str(go))
        await until(lambda: go.with_suffix(".begun").exists())
        lines = await where(handle)
        place = next(number for number, line in enumerate(lines) if line.endswith(" starts_and_waits"))
        assert lines[-1].startswith(" sleep (pid ")
        assert place < len(lines) - 1
        rest_of_them = [bench.start(steps.double, 1) for _ in range(2)]
        assert "free child process" in (await where(rest_of_them[1][0]))[0]
        go.touch()
        await asyncio.gather(ended, *(end for _, end in rest_of_them))

    using("process", scenario)


@pytest.mark.parametrize("method", ["stopped", "holds the interpreter"])
def test_child_that_cannot_answer_is_reported(tmp_path, monkeypatch, method):
    """With its state as the system has it; a late answer is not taken for another one."""
    monkeypatch.setattr(process_attempt, "_ANSWER_TIMEOUT_S", 0.05)

    async def scenario(bench):
        file = tmp_path / "pid"
        step = steps.spins if method == "stopped" else steps.holds_the_interpreter
        handle, _ = bench.start(step, str(file))
        await until(lambda: file.exists() and file.read_text())
        pid = int(file.read_text())
        if method == "stopped":
            os.kill(pid, signal.SIGSTOP)
        lines = await where(handle)
        assert f"(pid {pid}): " in lines[0]
        assert ("stopped by a signal" in lines[0]) is (method == "stopped")
        assert "did not answer" in lines[-1]
        if method == "stopped":
            os.kill(pid, signal.SIGCONT)
            monkeypatch.setattr(process_attempt, "_ANSWER_TIMEOUT_S", 20)
            assert any(line.endswith(" spins") for line in await where(handle))

    using("process", scenario)


def test_command_reports_its_processes():
    """Names and states, without arguments."""

    async def scenario(bench):
        handle, ended = bench.start(run_command, ["sh", "-c", "echo up; sleep 60; echo over"])
        await until(lambda: bench.reports(LogReport))
        await until(lambda: any(line.startswith(" sleep") for line in handle._step.processes()))
        lines = await where(handle)
        assert [line.partition(" (pid")[0] for line in lines] == ["sh", " sleep"]
        handle.cancel("enough")
        assert (await ended).cancelled

    using("thread", scenario)

"""One suite for every place where a step can run: the engine's loop, a thread, a child process."""

import asyncio
import contextlib
import inspect
import os
import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from mainspring.domain.errors import DefinitionError
from mainspring.domain.failures.classifier import FailureKind
from mainspring.domain.runs.measurement import Measurement
from mainspring.domain.runs.outbox import PublishedEvent, QueuedMessage, outbox_entry_id
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import encode_call
from mainspring.engine.attempts.attempt_reports import (
    AbandonReport,
    CheckpointReport,
    EndReport,
    LogReport,
    ProcessReport,
    ProgressReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.executor import AttemptExecutor
from mainspring.engine.attempts.processes.child_pool import ChildPool
from mainspring.engine.attempts.processes.child_process import ChildSettings
from mainspring.engine.commands.command_step import run_command
from tests.contract import isolated_steps as steps


class Bench:
    """Attempts in one place, and all that they tell."""

    def __init__(self, isolate, loop, grace_after=5.0):
        self.isolate = isolate
        self.signs = []
        self.ended = []
        self.processes = []
        self.saved = None
        self.ack_error = None
        self.is_acking = True
        self.children = ChildPool(loop, size=2, on_report=self.on_report, settings=ChildSettings(calls_at_most=50))
        self.attempts = AttemptExecutor(
            loop, on_report=self.on_report, threads=2, children=self.children, grace_after=grace_after
        )

    def on_report(self, spec, kind, sign):
        if isinstance(sign, ProcessReport):
            self.processes.append(sign)
            if sign.ack is not None:
                sign.ack(None)
            return
        assert sign.kind == kind
        if isinstance(sign, EndReport):
            self.ended.append(sign)
            return
        self.signs.append(sign)
        if isinstance(sign, CheckpointReport):
            self.saved = sign.data
            if self.is_acking:
                sign.ack(self.ack_error)

    def start(self, fn, *args, timeout=None, heartbeat=None, overlaps=False, attempt=1, checkpoint=None, **kwargs):
        """Start an attempt; return its handle and the future of its end."""
        signature = read_signature(fn)
        spec = AttemptSpec(
            run_id="r1",
            ident="main/s",
            name=fn.__name__,
            key="key-1",
            attempt=attempt,
            fn=self.coloured(fn),
            signature=signature,
            input=encode_call(signature, args, kwargs),
            args=args,
            kwargs=kwargs,
            isolate=self.isolate,
            timeout=None if timeout is None else timedelta(seconds=timeout),
            heartbeat=None if heartbeat is None else timedelta(seconds=heartbeat),
            overlaps=overlaps,
            checkpoint=checkpoint,
        )
        end = asyncio.get_running_loop().create_future()
        handle = self.attempts.start(spec, end.set_result)  # a second call would raise
        assert not end.done()
        return handle, end

    async def run(self, fn, *args, **options):
        return await self.start(fn, *args, **options)[1]

    def coloured(self, fn):
        """The loop takes only async functions: wrap plain ones."""
        if self.isolate != "loop" or inspect.iscoroutinefunction(fn):
            return fn

        async def wrapped(*args, **kwargs):
            return fn(*args, **kwargs)

        return wrapped

    def reports(self, kind):
        return [sign for sign in self.signs if isinstance(sign, kind)]


def using(isolate, scenario, within=60, **options):
    """Run a scenario with a bench of one isolation, and close it."""

    async def main():
        IN_BODY.set(True)  # as when a body's turn makes the engine start a step: none of it may reach the step
        bench = Bench(isolate, asyncio.get_running_loop(), **options)
        try:
            return await asyncio.wait_for(scenario(bench), within)
        finally:
            bench.attempts.close()
            assert not bench.children.pids

    return asyncio.run(main())


@pytest.fixture(params=["loop", "thread", "process"])
def isolate(request):
    return request.param


plain_only = pytest.mark.parametrize("isolate", ["thread", "process"])
process_only = pytest.mark.parametrize("isolate", ["process"])


def test_step_returns_its_result(isolate):
    """A result comes back with its bytes, and None is a result like others."""

    async def scenario(bench):
        end = await bench.run(steps.double, 21)
        assert (end.ok, end.output, end.value) == (True, b"42", 42), (end, bench.signs)
        end = await bench.run(steps.nothing)
        assert (end.ok, end.output, end.value, end.failure) == (True, b"null", None, None)

    using(isolate, scenario)


def test_step_takes_and_gives_typed_values(isolate):
    """Data classes, instants and decimals arrive as what the annotations say."""
    order = steps.Order("o1", datetime(2026, 1, 5, tzinfo=UTC), Decimal("9.99"))

    async def scenario(bench):
        end = await bench.run(steps.late_order, order, days=2)
        assert end.value == steps.Order("o1", order.at, Decimal("11.99"))

    using(isolate, scenario)


def test_step_knows_its_attempt(isolate):
    """Key, number and the last checkpoint are there, and the code is not inside a body."""

    async def scenario(bench):
        end = await bench.run(steps.facts, attempt=3, checkpoint=b'{"row":7}')
        assert end.value == ["key-1", 3, {"row": 7}, False]

    using(isolate, scenario)


def test_checkpoint_is_seen_by_this_and_the_next_attempt(isolate):
    """The newest checkpoint wins, at once in the same attempt and later in the next."""

    async def scenario(bench):
        end = await bench.run(steps.checkpoints, checkpoint=b'"old"')
        assert end.value == ["old", {"row": 0}, {"row": 1}, {"row": 2}]
        assert [sign.data for sign in bench.reports(CheckpointReport)] == [b'{"row":0}', b'{"row":1}', b'{"row":2}']
        end = await bench.run(steps.facts, attempt=2, checkpoint=bench.saved)
        assert end.value[2] == {"row": 2}
        assert (await bench.run(steps.typed_checkpoint)).value is True

    using(isolate, scenario)


def test_checkpoint_that_cannot_be_saved_is_refused(isolate):
    """A bad value is refused where it is given, with its path, and nothing is handed over."""

    async def scenario(bench):
        end = await bench.run(steps.bad_checkpoint)
        assert "$.a[0]" in end.value
        assert bench.saved is None

    using(isolate, scenario)


@plain_only
def test_checkpoint_blocks_until_it_is_committed(isolate):
    """A plain step does not continue before the commit; a commit that never will be is an error in it."""

    async def scenario(bench):
        bench.is_acking = False
        _, ended = bench.start(steps.checkpoints)
        for count in range(1, 4):
            while len(bench.reports(CheckpointReport)) < count:
                await asyncio.sleep(0.001)
            assert len(bench.reports(CheckpointReport)) == count
            assert not ended.done()
            bench.reports(CheckpointReport)[-1].ack(None)
        assert (await ended).ok
        bench.is_acking, bench.ack_error = True, RuntimeError("claim lost")
        end = await bench.run(steps.checkpoints)
        assert "claim lost" in end.failure.message

    using(isolate, scenario)


async def _awaits_checkpoints():
    import mainspring.engine.attempts.step_context as ms

    ms.checkpoint(1)
    await ms.checkpoint(2)
    return "saved"


def test_checkpoint_may_be_awaited_in_the_loop():
    """An async step may wait for the commit or continue at once; a failed commit is raised where it is awaited."""

    async def scenario(bench):
        assert (await bench.run(_awaits_checkpoints)).ok
        bench.ack_error = RuntimeError("claim lost")
        assert (await bench.run(_awaits_checkpoints)).failure.message == "claim lost"
        bench.is_acking = False
        _, ended = bench.start(_awaits_checkpoints)
        while len(bench.reports(CheckpointReport)) < 6:
            await asyncio.sleep(0)
        assert not ended.done()
        await asyncio.to_thread(bench.signs[-1].ack, None)
        assert (await ended).value == "saved"

    using("loop", scenario)


def test_progress_and_log_arrive_before_the_end(isolate):
    """Signs come in their order, before the end, with bad text escaped and odd values as text."""

    async def scenario(bench):
        assert (await bench.run(steps.speaks)).ok
        assert bench.signs == [
            ProgressReport(1, 4),
            LogReport("info", "loaded", {"rows": 3, "path": "/x", "odd": "nan"}),
            LogReport("error", "bad \\x00 \\ud800 \\x1b[31m text"),
        ]
        end = await bench.run(steps.bad_progress)
        assert (end.failure.code, end.failure.kind) == ("bad_argument", FailureKind.PERMANENT)
        assert [(ended.failure is None, ended.stopped) for ended in bench.ended] == [(True, False), (False, False)]

    using(isolate, scenario)


@pytest.mark.parametrize(
    ("kind", "type_name"),
    [
        ("value", "ValueError"),
        ("exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("stop", "StopIteration"),
        ("async_stop", "StopAsyncIteration"),
        ("memory", "MemoryError"),
        ("awkward", "AwkwardError"),
        ("lying", "LyingError"),
        ("text", "RuntimeError"),
        ("group", "ExceptionGroup"),
        ("cancelled", "CancelledError"),
        ("long", "RuntimeError"),
    ],
)
def test_whatever_is_raised_is_a_failure(isolate, kind, type_name, capfd):
    """No exception escapes, whatever it is: each ends its attempt, can be encoded, and the next attempt runs."""
    import msgspec

    async def scenario(bench):
        end = await bench.run(steps.raises, kind)
        assert not end.ok
        assert not end.timed_out
        assert not end.cancelled
        is_converted = isolate == "loop" and type_name.startswith("Stop")  # Python does so inside coroutines
        assert type_name in end.failure.type or (is_converted and "RuntimeError" in end.failure.type)
        assert b"\\u0000" not in msgspec.json.encode(end.failure)
        assert (await bench.run(steps.double, 1)).value == 2

    using(isolate, scenario)
    assert "Traceback" not in capfd.readouterr().err


def test_failure_keeps_what_its_author_stated(isolate):
    """Kind, hint, data and waiting time of our own errors arrive."""

    async def scenario(bench):
        end = await bench.run(steps.raises, "transient")
        assert (end.verdict.kind, end.verdict.retry_after) == (FailureKind.TRANSIENT, timedelta(seconds=7))
        end = await bench.run(steps.raises, "permanent")
        assert end.verdict.kind is FailureKind.PERMANENT
        assert (end.failure.hint, end.failure.data) == ("Give up.", {"why": 1})

    using(isolate, scenario)


def test_endless_recursion_is_a_failure(isolate):
    """A stack that overflows ends the attempt only."""

    async def scenario(bench):
        assert "RecursionError" in (await bench.run(steps.recurses)).failure.type

    using(isolate, scenario)


@pytest.mark.parametrize("kind", ["lock", "generator", "nan", "surrogate", "large", "key", "huge"])
def test_result_that_cannot_be_saved_is_refused(isolate, kind):
    """The effect is done, so the end is neither success nor failure: done, value refused, and where."""

    async def scenario(bench):
        end = await bench.run(steps.returns, kind)
        assert (end.ok, end.failure, end.refused.code) == (False, None, "value_refused")
        assert "result of step 'returns'" in end.refused.message

    using(isolate, scenario)


@plain_only
def test_cancelled_plain_step_ends_as_cancelled(isolate):
    """Cancelling is reported once, with its reason."""

    async def scenario(bench):
        handle, ended = bench.start(steps.sleeps, 30)
        await asyncio.sleep(0)
        handle.cancel("asked by a person")
        handle.cancel("again")
        end = await ended
        assert (end.cancelled, end.timed_out) == (True, False)
        assert "asked by a person" in end.failure.message

    using(isolate, scenario)


@plain_only
def test_attempt_cancelled_while_it_waits_for_a_place_never_runs(isolate, tmp_path):
    """With every place taken, a cancelled attempt ends at once and its function is never called."""

    async def scenario(bench):
        go, mark = tmp_path / "go", tmp_path / "mark"
        first = [bench.start(steps.waits_for, str(go))[1] for _ in range(2)]
        handle, ended = bench.start(steps.zombie, str(go), str(mark))
        handle.cancel("no need")
        assert (await ended).cancelled
        go.touch()
        assert [(await end).value for end in first] == ["late", "late"]
        assert (await bench.run(steps.double, 1)).ok
        assert bench.reports(AbandonReport) == []

    using(isolate, scenario)


async def _sleeps_long():
    await asyncio.sleep(30)


async def _swallows_cancellation():
    for _ in range(20):  # 0.2 s: longer than time-out and grace of the test
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
    return "late"


async def _returns_when_cancelled():
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return "done after all"


async def _fails_when_cancelled():
    try:
        await asyncio.sleep(30)
    finally:
        raise ValueError("clean-up")


async def _cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


async def _times_out_inside():
    async with asyncio.timeout(0.01):
        await asyncio.sleep(30)


def test_async_step_times_out_and_is_cancelled():
    """Our time-out, a cancellation by us, one by the step itself and its own time-out are distinguished."""

    async def scenario(bench):
        end = await bench.run(_sleeps_long, timeout=0.01)
        assert (end.timed_out, end.cancelled, end.verdict.kind) == (True, False, FailureKind.TRANSIENT)
        assert "took longer than its time-out of 10ms" in end.failure.message
        handle, ended = bench.start(_sleeps_long)
        handle.cancel("before its first turn")
        assert (await ended).cancelled
        handle, ended = bench.start(_sleeps_long)
        await asyncio.sleep(0)
        handle.cancel("later")
        assert (await ended).cancelled
        end = await bench.run(_cancels_itself)
        assert (end.cancelled, end.timed_out, "CancelledError" in end.failure.type) == (False, False, True)
        end = await bench.run(_times_out_inside)
        assert (end.timed_out, "TimeoutError" in end.failure.type) == (False, True)
        end = await bench.run(_fails_when_cancelled, timeout=0.01)
        assert (end.timed_out, end.failure.cause.message) == (True, "clean-up")
        end = await bench.run(_returns_when_cancelled, timeout=0.01)
        assert (end.ok, end.value) == (True, "done after all")
        assert bench.attempts.live_count == bench.attempts.abandoned_count == 0

    using("loop", scenario)


def test_f21_coroutine_that_swallows_cancellation_is_abandoned():
    """After the grace the end is a time-out, the engine is reported, and the late result is dropped."""

    async def scenario(bench):
        end = await bench.run(_swallows_cancellation, timeout=0.01, overlaps=True)
        assert end.timed_out
        assert [sign.kind for sign in bench.signs] == ["abandoned"]
        assert bench.attempts.abandoned_count == 1
        while bench.attempts.abandoned_count:
            await asyncio.sleep(0.001)
        assert [sign.kind for sign in bench.signs] == ["abandoned"]

    using("loop", scenario, grace_after=0.02)


def test_f21_timed_out_thread_is_abandoned_and_its_late_result_refused(tmp_path):
    """A thread cannot be stopped: its attempt ends, its `ms.*` calls end its code, its place is made up for."""

    async def scenario(bench):
        go, out = tmp_path / "go", tmp_path / "out"
        options = {"timeout": 0.2, "overlaps": True}
        zombies = [bench.start(steps.zombie, str(go), str(out), **options)[1] for _ in range(2)]  # every thread
        assert all([(await end).timed_out for end in zombies])
        assert [sign.kind for sign in bench.signs] == ["abandoned"] * 2
        ends = [bench.start(steps.sleeps, 0.01)[1] for _ in range(4)]
        assert all([(await end).ok for end in ends])
        assert bench.attempts.abandoned_count == 2
        go.touch()
        while bench.attempts.abandoned_count:
            await asyncio.sleep(0.001)
        assert out.read_text() == "AttemptClosed"
        assert [sign.kind for sign in bench.signs] == ["abandoned"] * 2
        assert (await bench.run(steps.double, 2)).value == 4

    using("thread", scenario)


def test_timed_out_thread_ends_its_attempt_only_when_it_has_ended(tmp_path):
    """No attempt may follow before: the end waits, the attempt is closed, the log says why, and the late result is refused."""

    async def scenario(bench):
        go, out = tmp_path / "go", tmp_path / "out"
        _, ended = bench.start(steps.zombie, str(go), str(out), heartbeat=0.05)
        while not bench.attempts.has_only_unstoppable:
            await asyncio.sleep(0.001)
        assert (ended.done(), bench.attempts.live_count, bench.attempts.abandoned_count) == (False, 1, 1)
        assert [sign.kind for sign in bench.signs] == ["abandoned", "log"]
        assert "gave no sign of life for its heartbeat of 50ms" in bench.signs[1].text
        assert "the next attempt begins when it has ended" in bench.signs[1].text
        go.touch()
        end = await ended
        assert (end.timed_out, end.is_code_running, end.failure.code) == (True, False, "heartbeat_timeout")
        assert end.failure.cause is None
        assert out.read_text() == "AttemptClosed"
        assert bench.attempts.live_count == bench.attempts.abandoned_count == 0
        assert (await bench.run(steps.double, 2)).value == 4

    using("thread", scenario)


def test_late_result_after_a_time_out_is_refused(tmp_path):
    """A thread or a coroutine that returns after all: the attempt stays timed out."""

    async def in_thread(bench):
        _, ended = bench.start(steps.waits_for, str(tmp_path / "go"), timeout=0.05)
        while not bench.attempts.has_only_unstoppable:
            await asyncio.sleep(0.001)
        (tmp_path / "go").touch()
        assert (await ended).timed_out

    async def in_loop(bench):
        assert (await bench.run(_swallows_cancellation, timeout=0.01)).timed_out
        assert bench.attempts.abandoned_count == 0

    using("thread", in_thread)
    using("loop", in_loop, grace_after=0.02)


def test_cancel_leaves_code_running_that_a_time_out_could_not_stop(tmp_path):
    """A worker that drains cannot wait for it: the end says that the code still runs."""

    async def scenario(bench):
        handle, ended = bench.start(steps.waits_for, str(tmp_path / "go"), timeout=0.05)
        while not handle.is_unstoppable:
            await asyncio.sleep(0.001)
        handle.cancel("the worker stops")
        end = await ended
        assert (end.timed_out, end.cancelled, end.is_code_running) == (True, False, True)
        assert (bench.attempts.live_count, bench.attempts.abandoned_count) == (0, 1)
        (tmp_path / "go").touch()
        while bench.attempts.abandoned_count:
            await asyncio.sleep(0.001)

    using("thread", scenario)


class LoopTime:
    """The time of the running loop, which a test can move forward."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.real, self.ahead_s = self.loop.time, 0.0
        self.loop.time = lambda: self.real() + self.ahead_s

    async def pass_by(self, seconds):
        self.ahead_s += seconds
        for _ in range(3):
            await asyncio.sleep(0)


KINDS = ["heartbeat", "log", "print", "progress", "checkpoint"]


def test_each_sign_of_life_restarts_the_heartbeat_and_silence_ends_it(isolate, tmp_path):
    """Of 10 s: an attempt with a sign every 6 s lives on; then its silence ends it, and the failure names the last sign."""

    async def scenario(bench):
        kinds = KINDS if isolate == "process" else [kind for kind in KINDS if kind != "print"]
        time = LoopTime()
        _, ended = bench.start(steps.send_signs, str(tmp_path), kinds, heartbeat=10, overlaps=True)
        for number, kind in enumerate(kinds):
            while not (tmp_path / f"before-{kind}").exists():
                await asyncio.sleep(0.001)
            await time.pass_by(6)
            (tmp_path / kind).touch()
            while len(bench.signs) <= number:
                await asyncio.sleep(0.001)
        assert not ended.done()
        for _ in range(2):  # the first check comes late, as if the loop had been blocked
            await time.pass_by(11)
        end = await ended
        assert (end.timed_out, end.verdict.kind, end.verdict.code) == (True, FailureKind.TRANSIENT, "heartbeat_timeout")
        pattern = r"attempt 1 of step 'send_signs' gave no sign of life for its heartbeat of 10s: the last one was a checkpoint, \d+"
        assert re.match(pattern, end.failure.message), end.failure.message
        assert "ms.heartbeat()" in end.failure.hint
        (tmp_path / "end").touch()  # a thread ends only by itself
        assert isinstance(end.error, TimeoutError)

    using(isolate, scenario, within=600)


def test_attempt_without_any_sign_names_its_limit(isolate, tmp_path):
    """It counts from the call of the function."""

    async def scenario(bench):
        end = await bench.run(steps.send_signs, str(tmp_path), [], heartbeat=0.05, overlaps=True)
        assert end.failure.message.endswith("gave no sign of life for its heartbeat of 50ms since its start")
        (tmp_path / "end").touch()  # a thread ends only by itself

    using(isolate, scenario)


def test_time_of_waiting_for_the_store_is_not_counted(isolate, tmp_path):
    """A checkpoint whose commit takes an hour: the attempt cannot give a sign while it waits."""

    async def scenario(bench):
        time = LoopTime()
        bench.is_acking = False
        (tmp_path / "checkpoint").touch()
        _, ended = bench.start(_waits_for_checkpoint if isolate == "loop" else steps.checkpoints, heartbeat=10)
        while not bench.reports(CheckpointReport):
            await asyncio.sleep(0.001)
        for _ in range(3):
            await time.pass_by(1200)
        assert not ended.done()
        bench.is_acking = True
        for sign in bench.reports(CheckpointReport):
            await asyncio.to_thread(sign.ack, None)
        assert (await ended).ok

    using(isolate, scenario, within=7200)


async def _waits_for_checkpoint():
    await steps.ms.checkpoint(1)


def is_alive(pid):
    """Whether a process runs: a zombie of someone else's does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def exits_shortly(pid):
    """Whether a process that was killed ends: the kernel may need a moment on a busy machine, a survivor would sleep on."""
    until = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.005)
    return not is_alive(pid)


def test_peer_prefect_15760_timed_out_sync_step_is_dead_within_a_second(tmp_path):
    """A plain step that spins is really stopped by its time-out: its process is gone less than a second later."""

    async def scenario(bench):
        file = tmp_path / "pid"
        _, ended = bench.start(steps.spins, str(file), timeout=1.0)
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.005)
        end = await ended
        assert end.timed_out
        assert exits_shortly(int(file.read_text()))
        assert bench.reports(AbandonReport) == []

    using("process", scenario)


def test_f21_step_that_ignores_signals_dies_with_its_grandchildren(tmp_path):
    """A child that ignores SIGTERM, and what it started, are killed within a second of the time-out."""

    async def scenario(bench):
        file = tmp_path / "pids"
        _, ended = bench.start(steps.ignores_all, str(file), timeout=5.0)
        end = await ended
        assert end.timed_out
        assert end.duration_us < 50_000_000, "they would have slept for a minute"
        for pid in map(int, file.read_text().split()):
            assert exits_shortly(pid)

    using("process", scenario)


@process_only
@pytest.mark.parametrize(
    ("fn", "args", "data"),
    [
        (steps.exits, (1,), {"exit_code": 1}),
        (steps.exits, (0,), {"exit_code": 0}),
        (steps.segfaults, (), {"signal": "SIGSEGV"}),
        (steps.kills_itself, (), {"signal": "SIGKILL"}),
    ],
)
def test_f20_child_that_dies_fails_its_attempt_only(isolate, fn, args, data):
    """However a child dies, this attempt fails with the reason, the worker lives, and the next call gets a new child."""

    async def scenario(bench):
        end = await bench.run(fn, *args)
        assert (end.failure.code, end.verdict.kind, end.failure.data) == ("child_died", FailureKind.UNKNOWN, data)
        assert not end.lost
        assert (await bench.run(steps.double, 4)).value == 8
        assert [sign.ended for sign in bench.processes] == [False, True, False]

    using(isolate, scenario)


@process_only
def test_memory_that_runs_out_is_a_failure(isolate):
    """A MemoryError is reported, and its child is not used again."""

    async def scenario(bench):
        end = await bench.run(steps.runs_out_of_memory)
        assert "MemoryError" in end.failure.type
        assert (await bench.run(steps.double, 4)).value == 8

    using(isolate, scenario)


@process_only
def test_output_of_a_child_becomes_log_lines(isolate):
    """What is printed by the step or what it starts is kept by line, other bytes escaped, before the end."""

    async def scenario(bench):
        assert (await bench.run(steps.prints)).value == "done"
        out = [sign.text for sign in bench.reports(LogReport) if sign.stream == "stdout"]
        assert out == ["to stdout", "raw \\udcff\\x00 bytes", "no endgrandchild"]
        assert [sign.text for sign in bench.reports(LogReport) if sign.stream == "stderr"] == ["lone \\\\ud800"]
        bench.signs.clear()
        assert (await bench.run(steps.prints_much, 5000)).value == 5000
        assert len(bench.signs) == 5000

    using(isolate, scenario)


@process_only
def test_child_is_warm_and_replaced_when_spent(isolate):
    """A child serves many calls; one that keeps a thread of the step's is not used again."""

    async def scenario(bench):
        first = (await bench.run(steps.pid)).value
        assert (await bench.run(steps.pid)).value == first
        assert (await bench.run(steps.leaves_a_thread)).value == first
        assert (await bench.run(steps.pid)).value != first
        pids = {(await bench.run(steps.pid)).value for _ in range(51)}
        assert len(pids) == 2

    using(isolate, scenario)


@process_only
def test_child_has_a_group_and_the_environment_of_the_worker(isolate):
    """The child leads its own group, finds modules under their names, and hashes alike in every process."""

    async def scenario(bench):
        end = await bench.run(steps.environment)
        assert end.value == [os.environ.get("PYTHONPATH"), 0, "tests.contract.isolated_steps", True]

    using(isolate, scenario)


@process_only
def test_async_step_may_run_in_a_child(isolate):
    """An async function in a child has a loop of its own."""

    async def scenario(bench):
        assert (await bench.run(_awaits_checkpoints)).value == "saved"
        assert (await bench.run(_sleeps_long, timeout=0.05)).timed_out

    using(isolate, scenario)


@process_only
def test_closing_kills_children_without_a_word(isolate, tmp_path):
    """After close nothing is reported and no child is left."""

    async def scenario(bench):
        file = tmp_path / "pid"
        _, ended = bench.start(steps.spins, str(file))
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.005)
        bench.attempts.close()
        assert exits_shortly(int(file.read_text()))
        await asyncio.sleep(0)
        assert not ended.done()

    using(isolate, scenario)


@pytest.mark.parametrize("step", ["spins", "holds_the_interpreter"])
def test_child_dies_with_its_worker(tmp_path, step):
    """When the worker is killed, its children are gone at once, and so is what they run."""
    import subprocess
    import sys

    program = """
import asyncio, sys
sys.path[:0] = sys.argv[3:]
from tests.contract import isolated_steps as steps, test_isolation as suite
async def main():
    bench = suite.Bench("process", asyncio.get_running_loop())
    await bench.run(getattr(steps, sys.argv[1]), sys.argv[2])
asyncio.run(main())
"""
    file = tmp_path / "pid"
    root = Path(__file__).resolve().parents[2]
    worker = subprocess.Popen([sys.executable, "-c", program, step, str(file), str(root), str(root / "src")])
    try:
        deadline = time.monotonic() + 60
        while (not file.exists() or not file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        child = int(file.read_text())
        assert is_alive(child)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        deadline = time.monotonic() + 30
        while is_alive(child) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not is_alive(child)
    finally:
        worker.kill()
        worker.wait()


def test_function_that_no_child_can_import_is_refused_at_the_call():
    """A lambda or inner function is refused when it is started, with the way to fix it."""

    async def scenario(bench):
        def inner() -> None:
            return None

        for fn in (lambda: None, inner):
            with pytest.raises(DefinitionError, match=r"cannot run in a child process.*\n.*top level"):
                bench.start(fn)
        assert bench.attempts.live_count == 0

    using("process", scenario)


def test_attempts_report_in_the_loops_thread(isolate):
    """Signs and ends arrive in the thread that made the attempts."""

    async def scenario(bench):
        threads = set()
        original = bench.attempts._host.on_report
        bench.attempts._host.on_report = lambda *sign: (threads.add(threading.get_ident()), original(*sign))
        assert (await bench.run(steps.speaks)).ok
        assert threads == {threading.get_ident()}

    using(isolate, scenario)


def test_cancelled_command_step_ends_its_command():
    """A step that runs a command is asked to end, and is not abandoned."""

    async def scenario(bench):
        handle, ended = bench.start(run_command, ["sh", "-c", "echo up; sleep 60"])
        while not any(isinstance(sign, LogReport) for sign in bench.signs):
            await asyncio.sleep(0.001)
        handle.cancel("asked by a person")
        end = await ended
        assert end.cancelled
        assert "was stopped" in end.failure.cause.message
        assert bench.reports(AbandonReport) == []
        assert [sign.ended for sign in bench.processes] == [False, True]
        assert bench.attempts.abandoned_count == 0

    using("thread", scenario)


def test_async_step_may_speak_from_threads_of_its_own(isolate):
    """A thread that an async step starts with its context belongs to the step."""

    async def scenario(bench):
        end = await bench.run(steps.saves_from_a_thread)
        assert end.value == ["far", 1]
        assert [sign.kind for sign in bench.signs] == ["checkpoint", "progress"]

    using(isolate, scenario)


@process_only
def test_process_that_a_step_forked_does_not_answer_for_it(isolate):
    """Only the child itself speaks for a call: a fork that returns too ends, and the next calls get their own answers."""

    async def scenario(bench):
        for _ in range(3):
            forked = await bench.run(steps.fork_and_return)
            assert (forked.ok, forked.value) == (True, 1), (forked, bench.signs)
            after = await bench.run(steps.add_one, 41)
            assert (after.ok, after.value) == (True, 42), (after, bench.signs)

    using(isolate, scenario)


@process_only
def test_thread_of_a_step_in_a_child_belongs_to_the_step(isolate):
    """A child runs one step at a time, so a thread without the context of the step is its own too."""

    async def scenario(bench):
        end = await bench.run(steps.attempt_in_a_thread, attempt=3)
        assert (end.ok, end.value) == (True, 3), end

    using(isolate, scenario)


def test_process_that_a_step_forked_waits_for_no_answer(isolate):
    """What needs an answer, or goes with the end of the step, is an error there: nothing could deliver it."""
    if isolate == "loop":
        pytest.skip("a loop does not survive a fork")

    async def scenario(bench):
        end = await bench.run(steps.fork_and_save)
        assert end.ok, end
        assert [line.split()[0] for line in end.value.splitlines() if "Error" in line] == ["DefinitionError"] * 2
        assert end.records == ()

    using(isolate, scenario)


def test_step_sends_with_its_end(isolate):
    """What a step sends comes with its end, in order, under ids of its key and number, bytes as bytes."""
    ids = [outbox_entry_id("key-1", number) for number in (1, 2, 3)]

    async def scenario(bench):
        for attempt in (1, 2):
            end = await bench.run(steps.sends, attempt=attempt)
            assert end.ok
            assert end.records == (
                QueuedMessage(ids[0], "orders/eu", b'{"n":1}', key="k", headers=b'{"a":"b"}'),
                PublishedEvent(ids[1], "paid", b'{"n":2}', "p"),
                QueuedMessage(ids[2], "orders/eu", b'"AHJhdw=="', is_raw=True),
            )
            assert end.value == ids

    using(isolate, scenario)


def test_failed_attempt_sends_nothing(isolate):
    """An attempt that raises sends nothing; one that is done but whose result cannot be saved did its work, and sends."""

    async def scenario(bench):
        end = await bench.run(steps.sends, "badly")
        assert (end.failure.message, end.records) == ("no", ())
        end = await bench.run(steps.sends, "oddly")
        assert end.refused is not None
        assert len(end.records) == 3

    using(isolate, scenario)


def test_step_sends_within_bounds(isolate):
    """A thousand messages may be sent, each as large as a value may be; more is an error that says so."""

    async def scenario(bench):
        end = await bench.run(steps.sends_too_many, 1_000)
        assert len({message.id for message in end.records}) == 1_000
        end = await bench.run(steps.sends_too_many, 1_001)
        assert "sends more than 1,000 messages" in end.failure.message
        end = await bench.run(steps.sends_too_much)
        assert "the limit is 16,777,216" in end.failure.message
        assert end.records == ()

    using(isolate, scenario)


def test_step_measures_with_its_end(isolate):
    """A step has one number under each name, the sum of its calls; an attempt that fails measures nothing."""

    async def scenario(bench):
        for attempt in (1, 2):
            end = await bench.run(steps.measures, attempt=attempt)
            assert end.records == (Measurement("rows", 7.0), Measurement("cost", 0.5))
        assert (await bench.run(steps.measures, "badly")).records == ()
        end = await bench.run(steps.measures, "oddly")
        assert end.refused is not None
        assert len(end.records) == 2
        end = await bench.run(steps.measures_in_threads)
        assert end.records == (Measurement("rows", 190.0),)

    using(isolate, scenario)


def test_step_measures_within_bounds(isolate):
    """A bad name, a bad number and the hundred and first name are errors, and cost no other number."""

    async def scenario(bench):
        end = await bench.run(steps.measures_badly)
        assert end.ok, end
        assert "cannot be the name" in end.value[0]
        assert "expected a number between" in end.value[1]
        assert "expected a number between" in end.value[2]
        assert "measures more than 100 names" in end.value[3]
        assert len(end.records) == 100

    using(isolate, scenario)


def test_threads_of_a_step_send(isolate):
    """Threads that a step starts send for it; no id is given twice."""

    async def scenario(bench):
        end = await bench.run(steps.sends_from_threads)
        assert {message.id for message in end.records} == {outbox_entry_id("key-1", number + 1) for number in range(20)}
        assert sorted(int(message.body) for message in end.records) == list(range(20))

    using(isolate, scenario)

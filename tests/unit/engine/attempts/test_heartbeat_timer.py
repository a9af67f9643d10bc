"""How long an attempt is silent, on a loop whose time the test moves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mainspring.engine.attempts.attempt_end import LastSign
from mainspring.engine.attempts.attempt_reports import (
    CheckpointReport,
    HeartbeatReport,
    LogReport,
    ProcessReport,
    ProgressReport,
    UnlockReport,
)
from mainspring.engine.attempts.heartbeat_timer import HeartbeatTimer

SPAN_S = 30.0


class Scheduled:
    """One call of the loop."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.is_cancelled = at, call, False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """A loop with the time of the test; it makes each call in time, unless it is blocked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Scheduled] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None], context: Any = None) -> Scheduled:
        self.calls.append(Scheduled(self.now + delay, call))
        return self.calls[-1]

    def open_calls(self) -> list[Scheduled]:
        return [call for call in self.calls if not call.is_cancelled]

    def pass_by(self, seconds: float) -> None:
        """Let time pass; each call is made at its time."""
        until = self.now + seconds
        while due := [call for call in self.open_calls() if call.at <= until]:
            first = min(due, key=lambda call: call.at)
            self.calls.remove(first)
            self.now = max(self.now, first.at)
            first.call()
        self.now = until

    def block(self, seconds: float) -> None:
        """Let time pass without a turn, then make the calls that are due."""
        self.now += seconds
        self.pass_by(0)


class World:
    def __init__(self) -> None:
        self.loop = Loop()
        self.silences: list[float] = []
        loop: Any = self.loop
        assert not isinstance(loop, asyncio.AbstractEventLoop)
        self.timer = HeartbeatTimer(loop, SPAN_S, lambda: self.silences.append(self.loop.now - 1000.0))

    def answered(self, _error: BaseException | None) -> None:
        """Receive the answer of a report."""


@pytest.fixture
def world() -> World:
    return World()


def test_silence_is_reported_once_at_its_limit(world: World) -> None:
    """Not before, and not again."""
    world.timer.start()
    world.loop.pass_by(SPAN_S - 0.001)
    assert world.silences == []
    world.loop.pass_by(100 * SPAN_S)
    assert world.silences == [SPAN_S]
    assert world.timer.last is None


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (HeartbeatReport(), "a heartbeat"),
        (LogReport("info", "x"), "a log line"),
        (ProgressReport(1, None), "progress"),
    ],
)
def test_sign_of_life_restarts_the_span(world: World, report: Any, name: str) -> None:
    """Each kind; a sign schedules no call of its own."""
    world.timer.start()
    for _ in range(1000):
        world.loop.pass_by(SPAN_S / 2)
        assert world.timer.observe(report) is report
        assert len(world.loop.open_calls()) == 1
    assert world.silences == []
    world.loop.pass_by(2 * SPAN_S)
    assert world.silences == [500 * SPAN_S + SPAN_S]
    assert world.timer.last == LastSign(name, round(500 * SPAN_S * 1000))


def test_other_reports_are_no_signs(world: World) -> None:
    """What the attempt releases, or which processes it has, is no proof of progress."""
    world.timer.start()
    world.loop.pass_by(SPAN_S / 2)
    world.timer.observe(UnlockReport(1))
    world.timer.observe(ProcessReport(7, "x", ended=True))
    world.loop.pass_by(SPAN_S)
    assert world.silences == [SPAN_S]


def test_wait_for_an_answer_is_not_counted(world: World) -> None:
    """Only the time from the last sign to the request, and from the last answer on, counts."""
    world.timer.start()
    world.loop.pass_by(10)
    first, second = (world.timer.observe(ProcessReport(7, "x", ended=False, ack=world.answered)) for _ in range(2))
    world.loop.pass_by(10 * SPAN_S)
    assert isinstance(first, ProcessReport)
    assert first.ack is not None
    assert isinstance(second, ProcessReport)
    assert second.ack is not None
    first.ack(None)
    world.loop.pass_by(10 * SPAN_S)
    second.ack(None)
    second.ack(None)
    world.loop.pass_by(SPAN_S - 10.001)
    assert world.silences == []
    world.loop.pass_by(1)
    assert world.silences == [20 * SPAN_S + SPAN_S]


def test_answer_to_a_checkpoint_reaches_the_step(world: World) -> None:
    """With the error, if there is one; the checkpoint itself is a sign."""
    answers: list[BaseException | None] = []
    world.timer.start()
    world.loop.pass_by(20)
    report = world.timer.observe(CheckpointReport(b"1", answers.append))
    assert isinstance(report, CheckpointReport)
    world.loop.pass_by(100)
    report.ack(error := RuntimeError("claim lost"))
    assert answers == [error]
    world.loop.pass_by(SPAN_S - 0.001)
    assert world.silences == []
    world.loop.pass_by(1)
    assert world.silences == [120 + SPAN_S]


def test_sign_during_a_wait_counts_from_its_end(world: World) -> None:
    """A step may continue while a commit is under way."""
    world.timer.start()
    request = world.timer.pause()
    world.loop.pass_by(50)
    world.timer.observe(HeartbeatReport())
    world.loop.pass_by(50)
    world.timer.resume(request)
    world.loop.pass_by(SPAN_S + 1)
    assert world.silences == [100 + SPAN_S]


def test_blocked_loop_is_no_silence(world: World) -> None:
    """No sign could arrive while it did not turn: the span is extended by that, at most once."""
    world.timer.start()
    world.loop.block(SPAN_S + 12)
    assert world.silences == []
    world.loop.pass_by(11.9)
    assert world.silences == []
    world.loop.pass_by(1)
    assert world.silences == [SPAN_S + 24]
    world.timer.start()
    world.loop.block(100 * SPAN_S)
    world.loop.block(100 * SPAN_S)
    assert len(world.silences) == 2


def test_allowance_is_only_for_the_first_span(world: World) -> None:
    """A child process starts slowly; a print of its imports does not shorten the allowance."""
    world.timer.start(60)
    world.loop.pass_by(1)
    world.timer.observe(LogReport("info", "importing"))
    world.loop.pass_by(60 + SPAN_S - 1.001)
    assert world.silences == []
    world.timer.start()
    world.loop.pass_by(SPAN_S + 1)
    assert world.silences == [pytest.approx(60 + SPAN_S - 0.001 + SPAN_S)]


def test_stopped_timer_measures_nothing(world: World) -> None:
    """Nor does an answer start it again."""
    world.timer.start()
    request = world.timer.pause()
    world.timer.stop()
    world.timer.resume(request)
    world.loop.pass_by(10 * SPAN_S)
    assert world.silences == []
    assert world.loop.open_calls() == []

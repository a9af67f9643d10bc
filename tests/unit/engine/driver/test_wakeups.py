"""Due times of a loaded run in memory, when the clock is set while it is loaded."""

from datetime import timedelta
from types import SimpleNamespace

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.engine.body.request import Request
from mainspring.engine.driver.wakeups import RunWakeups
from mainspring.testing import FakeClock, VirtualLoop

HOUR = 3_600_000


def timer(ident):
    return Request(OutcomeKind.TIMER, ident, "timer", None, None, lambda _value, _failure: None)


def test_due_times_of_the_old_clock_move_and_those_of_the_new_one_stay():
    """What was written after the step, before the worker heard of it, is right already."""
    clock = FakeClock()
    loop = VirtualLoop(FakeClock())
    due = RunWakeups(SimpleNamespace(clock=clock, loop=loop), lambda: None)
    due.deadline_at = clock.now() + 5 * HOUR
    due.push(clock.now() + HOUR, timer("old"))
    clock.advance(timedelta(hours=-2))
    stepped_at = clock.now()
    clock.advance(timedelta(seconds=1))
    due.push(clock.now() + 2 * HOUR, timer("new"))
    due.move(-2 * HOUR, stepped_at)
    assert due.deadline_at == stepped_at + 5 * HOUR
    assert due.next() == stepped_at + HOUR
    assert due.pop(stepped_at + HOUR - 1) is None
    popped = due.pop(stepped_at + HOUR)
    assert popped is not None
    assert popped[1].ident == "old"
    assert due.next() == stepped_at + 1_000 + 2 * HOUR
    due.clear()
    loop.close()

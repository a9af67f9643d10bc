"""From which request on each generation counts, and due times in memory when the clock is set while a run is loaded."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.request import Request
from mainspring.engine.driver.loaded_run import Generations, RunWakeups
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


def outcome(requested_at: int, generation: int, superseded: int) -> Outcome:
    values: dict[str, Any] = {"attempt": 1, "started_at": 0, "at": 0, "duration_us": 0}
    return Outcome(
        requested_at, f"s{requested_at}", f"s{requested_at}", OutcomeKind.STEP, OutcomeState.SUCCEEDED, requested_at,
        generation=generation, superseded=superseded, **values,
    )  # fmt: skip


def test_all_belongs_to_the_first_generation_until_another_is_opened() -> None:
    """A run that was never continued from a chosen step has one."""
    assert Generations(()).of(7) == 0


def test_steps_before_the_chosen_one_keep_their_generation() -> None:
    """The first superseded request is where the new generation begins; what comes later belongs to it, new requests too."""
    found = Generations([outcome(4, 0, 1), outcome(3, 0, 1), outcome(6, 1, 2)])
    assert [found.of(requested_at) for requested_at in (1, 2, 3, 5, 6, 9)] == [0, 0, 1, 1, 2, 2]


def test_a_retry_within_a_generation_opens_none() -> None:
    """What a plain retry supersedes keeps its key."""
    found = Generations([outcome(2, 0, 0), outcome(5, 0, 1), outcome(3, 1, 1)])
    assert [found.of(requested_at) for requested_at in (2, 3, 5)] == [0, 0, 1]

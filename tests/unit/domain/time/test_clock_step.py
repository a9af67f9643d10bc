"""Steps of a clock: what is one, who records it, and by how much an instant that was counted from an outcome moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.time.clock_step import STEP_MS, ClockWatch, RunClockSteps, describe_step, unrecorded_ms

HOUR = 3_600_000
_STEPS = st.integers(-100 * HOUR, 100 * HOUR).filter(lambda by_ms: abs(by_ms) > 2 * STEP_MS)


class Times:
    """A wall clock and the seconds beside it."""

    def __init__(self) -> None:
        self.now, self.passed_ms = 1_800_000_000_000, 5_000
        self.watch = ClockWatch(lambda: self.passed_ms / 1000)

    def check(self, passes_ms: int = 0, set_by_ms: int = 0, before_ms: int = 0, after_ms: int = 0):
        """Let time pass and set the clock. The process is stopped for a while before and after it reads the clock."""
        self.now += passes_ms + set_by_ms
        self.passed_ms += passes_ms
        self.watch.begin()
        self._stop(before_ms)
        read_at = self.now
        self._stop(after_ms)
        self.watch.read(read_at)
        return self.watch.find_step()

    def _stop(self, for_ms: int) -> None:
        self.now += for_ms
        self.passed_ms += for_ms


def test_watch_finds_a_clock_that_is_put_back():
    """By how much, how long ago at most, and how long it was watched before."""
    times = Times()
    assert times.check() is None
    times.watch.note()
    times.check(10_000)
    times.watch.note()
    step = times.check(500, -HOUR)
    assert (step.by_ms, step.at, step.unseen_ms, step.lived_ms) == (-HOUR, times.now, 500, 10_500)
    assert step.old_at == times.now + HOUR


def test_watch_finds_a_step_again_until_it_is_noted():
    """A commit that fails must not swallow it."""
    times = Times()
    times.check()
    times.watch.note()
    assert times.check(0, -HOUR) == times.check()
    times.watch.note()
    assert times.check() is None


def test_step_whose_commit_is_unknown_is_found_again_although_the_clock_is_right_again():
    """It may be recorded: anyone who looks at the record finds what is missing in it."""
    times = Times()
    times.check()
    times.watch.note()
    assert times.check(0, -HOUR).by_ms == -HOUR
    assert times.check(0, HOUR).by_ms == 0
    assert unrecorded_ms(0, [-HOUR]) == HOUR
    assert unrecorded_ms(0, []) == 0
    times.watch.note()
    assert times.check() is None


def test_watch_without_seconds_next_to_the_clock_finds_nothing():
    """The clock of a test goes as the test says."""
    watch = ClockWatch(None)
    for now in (1_000, -HOUR):
        watch.begin()
        watch.read(now)
        assert watch.find_step() is None
        watch.note()


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(-STEP_MS, STEP_MS)), max_size=50))
def test_watch_takes_slewing_for_no_step(checks):
    """Whatever a clock does in steps of up to two seconds."""
    times = Times()
    for passes_ms, by_ms in checks:
        assert times.check(passes_ms, by_ms) is None
        times.watch.note()


_STOPS = st.integers(0, 3 * HOUR)


@given(st.lists(st.tuples(st.integers(0, 10_000), _STOPS, _STOPS), max_size=20))
def test_watch_takes_no_stop_of_its_process_for_a_step(checks):
    """Whenever it is stopped: also between the reading of the clock and that of the seconds."""
    times = Times()
    for passes_ms, before_ms, after_ms in checks:
        assert times.check(passes_ms, 0, before_ms, after_ms) is None
        times.watch.note()


def test_stop_of_the_process_hides_no_later_step():
    """The reading that it made rough is not the one that the next is compared with."""
    times = Times()
    for after_ms in (0, 2 * HOUR):
        times.check(10, 0, 0, after_ms)
        times.watch.note()
    assert times.check(10, -HOUR).by_ms == -HOUR


@given(st.lists(st.tuples(st.integers(0, 10_000), _STEPS), max_size=20))
def test_watch_finds_each_step_as_large_as_it_is(checks):
    """Also one right after another."""
    times = Times()
    times.check()
    times.watch.note()
    for passes_ms, by_ms in checks:
        step = times.check(passes_ms, by_ms)
        times.watch.note()
        assert step is not None
        assert step.by_ms == by_ms


@given(st.lists(_STEPS, min_size=1, max_size=6), st.data())
def test_processes_that_notice_the_same_steps_record_each_once(steps, data):
    """However many of them each process slept through, and anyone who looks first: the record sums up to what happened."""
    recorded: list[int] = []
    seen = [0, 0, 0]
    known = [0, 0, 0]
    for count in range(1, len(steps) + 1):
        for process in data.draw(st.permutations(range(3))):
            if data.draw(st.booleans()) or count == len(steps):
                by_ms = sum(steps[seen[process] : count])
                if abs(by_ms) > STEP_MS:
                    part = unrecorded_ms(by_ms, recorded[known[process] :])
                    if part:
                        recorded.append(part)
                    known[process] = len(recorded)
                    seen[process] = count
    assert abs(sum(recorded) - sum(steps)) <= STEP_MS * (len(steps) + 1)


def test_step_that_another_process_measured_a_little_differently_is_the_same():
    """The measurement is as exact as an answer of the database."""
    assert unrecorded_ms(-HOUR, [-HOUR + 400]) == 0
    assert unrecorded_ms(-HOUR, []) == -HOUR
    assert unrecorded_ms(-2 * HOUR, [-HOUR]) == -HOUR


@given(st.lists(st.tuples(st.integers(0, 50), _STEPS), max_size=10), st.integers(0, 60))
def test_instant_moves_by_the_steps_since_its_outcome(steps, rank):
    """And by none before it; the text keeps all of that."""
    steps = sorted(steps, key=lambda step: step[0])
    marks = RunClockSteps()
    for step_rank, by_ms in steps:
        marks.add(step_rank, by_ms, 1)
    assert marks.moved(rank) == sum(by_ms for step_rank, by_ms in steps if step_rank >= rank)
    assert RunClockSteps(marks.write()).lived == marks.lived
    assert RunClockSteps(marks.write()).moved(rank) == marks.moved(rank)


@given(st.integers(0, 10 * HOUR), st.lists(st.tuples(st.integers(0, HOUR), _STEPS), max_size=8))
def test_duration_that_moves_with_each_step_ends_when_its_time_has_passed(span_ms, course):
    """Whatever is done to the clock between its beginning and its end."""
    times = Times()
    times.check()
    times.watch.note()
    due_at, started = times.now + span_ms, times.passed_ms
    for passes_ms, by_ms in course:
        step = times.check(passes_ms, by_ms)
        times.watch.note()
        due_at += step.by_ms if step is not None else 0
    assert due_at - times.now == span_ms - (times.passed_ms - started)


@pytest.mark.parametrize(
    ("by_ms", "text"), [(-2 * HOUR, "the clock was put back by 2h"), (90_000, "the clock was set forward by 1m30s")]
)
def test_step_is_described(by_ms, text):
    """In the two largest units."""
    assert describe_step(by_ms) == text

"""When a success is overdue."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.success_deadline import (
    MAX_GRACE,
    MAX_MISSED_COUNT,
    SuccessDeadline,
    count_due,
    find_overdue,
    next_deadline,
)

HOUR = 3_600_000
T0 = 1_700_000_000_000 - 1_700_000_000_000 % (24 * HOUR)
HOURLY = Schedule.parse(every="1h")
DAILY = Schedule.parse(cron="0 3 * * *")

schedules = st.sampled_from(
    [
        HOURLY,
        DAILY,
        Schedule.parse(every="1s"),
        Schedule.parse(every="40d"),
        Schedule.parse(cron="*/7 9-17 * * 1-5", tz="Europe/Berlin"),
        Schedule.parse(cron="30 2 29 2 *"),
    ]
)
instants = st.integers(T0, T0 + 400 * 24 * HOUR)
graces = st.none() | st.timedeltas(timedelta(0), timedelta(days=3)).map(
    lambda span: timedelta(seconds=span // timedelta(seconds=1))
)


@pytest.mark.parametrize(
    ("schedule", "grace", "due", "late"),
    [
        (HOURLY, None, HOUR, 2 * HOUR),
        (HOURLY, timedelta(minutes=5), HOUR, HOUR + 5 * 60_000),
        (HOURLY, timedelta(0), HOUR, HOUR),
        (DAILY, None, 3 * HOUR, 9 * HOUR),
        (DAILY, timedelta(days=1), 3 * HOUR, 27 * HOUR),
    ],
)
def test_expected_is_one_period_and_the_grace(schedule: Schedule, grace: timedelta | None, due: int, late: int) -> None:
    """What runs hourly is missed after two hours; what runs daily has six hours at most; a stated grace counts as it is."""
    assert next_deadline(schedule, T0, grace) == SuccessDeadline(T0 + due, T0 + late)


def test_silence_takes_the_place_of_the_schedules() -> None:
    """A stated silence is the whole rule."""
    two_hours = timedelta(hours=2)
    assert find_overdue([DAILY], since_at=T0, succeeded_at=None, now_at=T0 + 2 * HOUR - 1, silence=two_hours) is None
    assert find_overdue([DAILY], since_at=T0, succeeded_at=None, now_at=T0 + 2 * HOUR, silence=two_hours) is not None


def test_nothing_is_expected_without_schedules() -> None:
    """Who states no cadence is never overdue."""
    assert find_overdue([], since_at=0, succeeded_at=None, now_at=T0) is None


def test_several_schedules_are_each_expected() -> None:
    """The one that should have come first is reported."""
    found = find_overdue([DAILY, HOURLY], since_at=T0, succeeded_at=T0, now_at=T0 + 30 * HOUR)
    assert found == SuccessDeadline(T0 + HOUR, T0 + 2 * HOUR)


@given(schedules, instants, graces)
def test_success_makes_it_well(schedule: Schedule, at: int, grace: timedelta | None) -> None:
    """Nothing is overdue at the moment of a success, and the next one is due only after it."""
    assert find_overdue([schedule], since_at=T0, succeeded_at=at, now_at=at, grace=grace) is None
    expected = next_deadline(schedule, at, grace)
    assert expected is not None
    assert at < expected.due_at <= expected.late_at
    if grace is None:
        assert expected.late_at - expected.due_at <= MAX_GRACE // timedelta(milliseconds=1)


@given(schedules, instants, instants, graces)
def test_later_success_is_never_overdue_sooner(
    schedule: Schedule, first_at: int, second_at: int, grace: timedelta | None
) -> None:
    """Succeeding later moves the alarm later, or leaves it."""
    first, second = sorted((first_at, second_at))
    early, late = next_deadline(schedule, first, grace), next_deadline(schedule, second, grace)
    assert early is not None
    assert late is not None
    assert early.late_at <= late.late_at


@given(schedules, instants, instants, st.integers(0, 400 * 24 * HOUR), graces)
def test_overdue_stays_overdue(schedule: Schedule, since: int, now: int, more: int, grace: timedelta | None) -> None:
    """Time alone never ends a silence."""
    found = find_overdue([schedule], since_at=since, succeeded_at=None, now_at=now, grace=grace)
    later = find_overdue([schedule], since_at=since, succeeded_at=None, now_at=now + more, grace=grace)
    assert found is None or later == found


@given(schedules, instants, graces)
def test_overdue_starts_at_its_instant(schedule: Schedule, since: int, grace: timedelta | None) -> None:
    """Not a millisecond before the late instant, and from then on."""
    expected = next_deadline(schedule, since, grace)
    assert expected is not None
    at = expected.late_at
    assert find_overdue([schedule], since_at=since, succeeded_at=None, now_at=at - 1, grace=grace) is None
    assert find_overdue([schedule], since_at=since, succeeded_at=None, now_at=at, grace=grace) == expected


def test_nothing_is_expected_on_closed_days():
    """An interval over a weekend, and a time of day: the next success is due on Monday."""
    friday, monday = (round(datetime(2026, 5, day, 12, tzinfo=UTC).timestamp() * 1000) for day in (1, 4))
    for schedule in (Schedule.parse(every="1h"), Schedule.parse(cron="0 * * * *")):
        with_calendar = schedule.with_calendar(Calendar(name="business-days"))
        late_at = friday + 11 * 3_600_000 + 1
        assert next_deadline(with_calendar, late_at).due_at == monday - 12 * 3_600_000
        assert (
            find_overdue([with_calendar], since_at=friday, succeeded_at=late_at, now_at=monday - 12 * 3_600_000) is None
        )


def test_jitter_makes_a_success_late_later():
    """A start that is put off is not overdue for that."""
    hourly = Schedule.parse(every="1h")
    late = next_deadline(hourly, 0).late_at
    assert find_overdue([hourly], since_at=0, succeeded_at=None, now_at=late) is not None
    jitter = timedelta(minutes=10)
    assert find_overdue([hourly], since_at=0, succeeded_at=None, now_at=late + 599_999, jitter=jitter) is None
    assert find_overdue([hourly], since_at=0, succeeded_at=None, now_at=late + 600_000, jitter=jitter) is not None


@given(schedules, instants, st.integers(0, 400 * 24 * HOUR))
def test_dues_are_counted_one_by_one(schedule: Schedule, since: int, more: int) -> None:
    """Each once, wherever the count stops."""
    number, at = 0, next_deadline(schedule, since)
    while at is not None and at.due_at <= since + more and number < MAX_MISSED_COUNT:
        number, at = number + 1, next_deadline(schedule, at.due_at)
    assert count_due(schedule, since, since + more) == number


def test_one_due_of_many_is_not_reckoned_to_the_end(monkeypatch) -> None:
    """Of ten thousand that missed one slot together no one reckons a hundred more of each."""
    days_read: list[int] = []
    real = Schedule.next_after

    def noted(self: Schedule, at: int) -> int | None:
        days_read.append(at)
        return real(self, at)

    monkeypatch.setattr(Schedule, "next_after", noted)
    assert count_due(Schedule.parse(cron="17 3 * * *"), T0, T0 + 20 * HOUR) == 1
    assert len(days_read) <= 3

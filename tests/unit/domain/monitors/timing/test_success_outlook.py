"""What is missing since the last success, and what comes next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.monitors.timing.success_outlook import count_missed_slots, describe_outlook
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.success_deadline import MAX_MISSED_COUNT, count_due
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, cadence, watched

HOURLY = cadence(every="1h")
DAILY = cadence(cron="0 3 * * *")


@pytest.mark.parametrize(
    ("known", "after", "expected"),
    [
        ({"cadences": (DAILY,), "succeeded_at": T0}, HOUR, {"last_good_at": T0, "next_try_at": T0 + 3 * HOUR}),
        ({"cadences": (DAILY, HOURLY)}, MINUTE, {"next_try_at": T0 + HOUR}),
        ({"cadences": (DAILY,), "paused_at": T0}, HOUR, {"next_try_at": None}),
        ({}, HOUR, {"next_try_at": None}),
        ({"cadences": (HOURLY,), "kind": "exec"}, HOUR, {}),
        ({"cadences": (DAILY,), "kind": "exec"}, HOUR, {"next_try_at": T0 + 3 * HOUR}),
    ],
)
def test_next_try_is_the_next_slot_where_there_is_one(known, after, expected):
    """Null is said where nothing starts it; where no one can know, nothing is."""
    assert describe_outlook(watched(**known), T0 + after) == expected


@pytest.mark.parametrize(
    ("known", "until", "number"),
    [
        ({"cadences": (HOURLY,)}, HOUR - 1, 0),
        ({"cadences": (HOURLY,)}, 3 * HOUR, 3),
        ({"cadences": (HOURLY,), "succeeded_at": T0 + HOUR}, 3 * HOUR, 2),
        ({"cadences": (HOURLY, DAILY)}, 3 * HOUR, 4),
        ({"cadences": (HOURLY,), "expected_from_at": T0 + 3 * HOUR}, 3 * HOUR, 0),
        ({"cadences": (HOURLY,)}, 90 * DAY, MAX_MISSED_COUNT),
        ({}, 90 * DAY, 0),
    ],
)
def test_slots_since_the_last_success_are_counted(known, until, number):
    """Of all schedules together, from when something was expected, and no further than anyone reads."""
    assert count_missed_slots(watched(**known), T0 + until) == number


@given(
    st.integers(0, 90 * DAY), st.integers(0, 90 * DAY), st.sampled_from([{"every": "50m"}, {"cron": "*/20 * * * *"}])
)
def test_more_time_never_has_fewer_slots(first, second, spec):
    """Nor more than there are."""
    schedule, (short, long) = Schedule.parse(**spec), sorted((first, second))
    few, many = count_due(schedule, T0, T0 + short), count_due(schedule, T0, T0 + long)
    assert 0 <= few <= many <= MAX_MISSED_COUNT

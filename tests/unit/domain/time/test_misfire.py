"""Which missed slots are made up for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.time.misfire import MISFIRE_AFTER_MS, find_due_slots, first_slot_to_run
from mainspring.domain.time.schedule import Schedule

MINUTE = 60_000
NOW = 1_770_000_000_000 - 1_770_000_000_000 % (60 * MINUTE) + 30_000
HOUR = NOW - 30_000
"""The full hour, half a minute ago."""
POLICIES = st.sampled_from(["none", "last", "all", "all:1", "all:3", "all:1000"])


def chosen(schedule: Schedule, first_at: int, now: int, policy: str) -> list[int]:
    due = find_due_slots(schedule, first_at, now)
    return [slot for slot in due.slots if slot >= first_slot_to_run(schedule, due, now, policy)]


@pytest.mark.parametrize(
    ("policy", "minutes", "made_up"),
    [
        ("none", 5, []),
        ("last", 5, [0]),
        ("all", 5, [-180, -120, -60, 0]),
        ("all:2", 5, [-60, 0]),
        ("all:9", 5, [-180, -120, -60, 0]),
        # the slot of this minute is on time
        ("none", 0, [0]),
        ("last", 0, [0]),
        ("all", 0, [-180, -120, -60, 0]),
        ("all:1", 0, [-60, 0]),
    ],
)
def test_policy_chooses_among_missed_slots(policy, minutes, made_up):
    """What is on time runs always; of the rest the newest, none, or each."""
    now = NOW + minutes * MINUTE
    found = chosen(Schedule.parse(every="1h"), HOUR - 3 * 60 * MINUTE, now, policy)
    assert found == [HOUR + at * MINUTE for at in made_up]


def test_last_is_one_however_many_were_missed():
    """More than one pass can look at: only the newest of a thousand runs, not one of each hundred."""
    schedule = Schedule.parse(cron="* * * * *")
    now = NOW + 15_000
    late = chosen(schedule, HOUR - 999 * MINUTE, now + 60 * MINUTE, "all:1")
    assert len(find_due_slots(schedule, HOUR - 999 * MINUTE, now).slots) == 1_000
    assert len(late) == 2  # the newest late one, and the one on time
    assert len(find_due_slots(schedule, HOUR - 999 * MINUTE, now, 100).slots) == 101


def test_slot_that_is_a_minute_old_is_on_time():
    """To the millisecond."""
    schedule = Schedule.parse(every="24h")
    first = schedule.next_after(NOW)
    assert chosen(schedule, first, first + MISFIRE_AFTER_MS, "none") == [first]
    assert chosen(schedule, first, first + MISFIRE_AFTER_MS + 1, "none") == []


@given(
    spec=st.sampled_from([{"every": "70s"}, {"every": "1h"}, {"cron": "*/5 9-17 * * MON-FRI"}, {"cron": "0 0 1 * *"}]),
    back=st.integers(0, 40 * 60),
    policy=POLICIES,
)
def test_slots_on_time_always_run_and_of_the_late_ones_the_newest(spec, back, policy):
    """Chosen slots are the end of what is due, as long as the policy says."""
    schedule = Schedule.parse(**spec)
    first = schedule.next_after(NOW - back * MINUTE)
    slots = find_due_slots(schedule, first, NOW).slots if first <= NOW else []
    found = chosen(schedule, first, NOW, policy) if slots else []
    assert found == slots[len(slots) - len(found) :]
    late = [slot for slot in slots if NOW - slot > MISFIRE_AFTER_MS]
    made_up = [slot for slot in found if slot in late]
    assert [slot for slot in slots if slot not in late] == [slot for slot in found if slot not in made_up]
    name, _, most = policy.partition(":")
    expected = {"none": 0, "last": int(len(late) == len(slots)), "all": int(most or len(late))}[name]
    assert len(made_up) == min(expected, len(late))


@given(back=st.integers(2, 40 * 60), policy=POLICIES, limit=st.integers(0, 400))
def test_policy_choice_does_not_depend_on_the_page_size(back, policy, limit):
    """A pass that sees a part of what is due comes to the same instant as one that sees all."""
    schedule = Schedule.parse(cron="*/5 * * * *")
    first = schedule.next_after(NOW - back * MINUTE)
    if first <= NOW:
        part, whole = find_due_slots(schedule, first, NOW, limit), find_due_slots(schedule, first, NOW)
        assert part.slots == whole.slots[: limit + 1]
        assert part.is_whole is (len(whole.slots) <= limit + 1)
        assert part.following == schedule.next_after(part.slots[-1])
        assert first_slot_to_run(schedule, part, NOW, policy) == first_slot_to_run(schedule, whole, NOW, policy)

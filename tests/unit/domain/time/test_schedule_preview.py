"""What would run between two instants."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.schedule_preview import ClockChange, find_clock_change, preview_schedule

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_days_whose_clocks_change_are_marked():
    """The night in which 02:30 is missing, and the one in which it comes twice and runs once."""
    schedule = Schedule.parse(cron="30 2 * * *", tz=BERLIN)
    spring = preview_schedule(schedule, "a", ms("2026-03-28T00:00+01:00"), ms("2026-03-31T00:00+02:00"))
    assert [(f"{schedule.local(start.due_at):%d %H:%M}", start.change) for start in spring] == [
        ("28 02:30", ClockChange.NONE),
        ("29 03:00", ClockChange.FORWARD),
        ("30 02:30", ClockChange.NONE),
    ]
    autumn = preview_schedule(schedule, "a", ms("2026-10-25T00:00+02:00"), ms("2026-10-26T00:00+01:00"))
    assert [start.change for start in autumn] == [ClockChange.BACK]


@pytest.mark.parametrize(
    ("zone", "day", "change"),
    [
        ("Australia/Lord_Howe", date(2026, 10, 4), ClockChange.FORWARD),
        ("Africa/Cairo", date(2025, 4, 25), ClockChange.FORWARD),
        ("America/Havana", date(2026, 11, 1), ClockChange.BACK),
        ("UTC", date(2026, 3, 29), ClockChange.NONE),
    ],
)
def test_change_is_that_of_the_zone_on_that_day(zone, day, change):
    """Half an hour, at midnight, or none."""
    assert find_clock_change(day, ZoneInfo(zone)) is change


def test_closed_days_are_reported_with_what_becomes_of_them():
    """Left out, or moved to the next open day."""
    first, end = ms("2026-05-01T00:00Z"), ms("2026-05-05T00:00Z")
    for on_closed, moved in (("skip", None), ("next", date(2026, 5, 4))):
        calendar = Calendar.parse("c", on_closed=on_closed)
        schedule = Schedule.parse(cron="0 9 * * *").with_calendar(calendar)
        found = preview_schedule(schedule, "a", first, end)
        assert [(schedule.local(start.due_at).day, start.slot_at is not None, start.moved_to) for start in found] == [
            (1, True, None),
            (2, False, moved),
            (3, False, moved),
            (4, True, None),
        ]


def test_range_holds_its_first_instant_and_not_its_last():
    """Two ranges side by side hold each slot once."""
    schedule = Schedule.parse(every="1h")
    noon = ms("2026-05-01T12:00Z")
    assert [start.due_at for start in preview_schedule(schedule, "a", noon, noon + 7_200_000)] == [
        noon,
        noon + 3_600_000,
    ]
    assert len(preview_schedule(schedule, "a", noon, noon + 10**9, limit=5)) == 5


def test_jitter_moves_starts_and_not_slots():
    """The same for anyone who asks, spread, and never as late as its span."""
    span = timedelta(minutes=10)
    schedule = Schedule.parse(every="1h")
    found = preview_schedule(schedule, "backup", 0, 200 * 3_600_000, jitter=span)
    shifts = [start.starts_at - start.slot_at for start in found]
    assert found == preview_schedule(schedule, "backup", 0, 200 * 3_600_000, jitter=span)
    assert all(0 <= shift < 600_000 for shift in shifts)
    assert min(shifts) < 60_000
    assert max(shifts) > 540_000
    assert compute_jitter("other", 0, span) != compute_jitter("backup", 0, span)
    assert compute_jitter("backup", 0, None) == 0

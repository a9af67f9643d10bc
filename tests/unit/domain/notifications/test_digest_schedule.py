"""When a digest is reported: each day or each week, on the clock of a zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.notifications.digest_schedule import digest_window_ms, next_digest_at, read_digest_schedule
from mainspring.domain.time.cron import to_local

DAY = 24 * 3_600_000
BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("8:30", "08:30"),
        (" daily 08:30 ", "08:30"),
        ("Mon 8:30", "monday 08:30"),
        ("weekly monday 08:30", "monday 08:30"),
        ("sunday 23:59", "sunday 23:59"),
    ],
)
def test_time_of_a_digest_has_one_form(written, read):
    """Which is read as itself."""
    assert read_digest_schedule(written) == read
    assert read_digest_schedule(read) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "noon",
        "24:00",
        "weekly",
        "weekly 08:30",
        "daily monday 08:30",
        "mo 08:30",
        "monday",
        "monday 08:30 x",
        None,
        8,
    ],
)
def test_invalid_digest_time_is_refused(written):
    """A week needs its day."""
    with pytest.raises(OptionError):
        read_digest_schedule(written)


@given(
    st.sampled_from(["friday 08:30", "sunday 02:30", "monday 00:00"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"]),
    st.integers(min_value=1_600_000_000_000, max_value=2_000_000_000_000),
)
def test_weekly_digest_is_reported_on_its_day_once_a_week(when, name, at):
    """Never in the past, and eight days away at most."""
    zone = ZoneInfo(name)
    found = next_digest_at(when, zone, at)
    assert at <= found <= at + 8 * DAY
    assert f"{to_local(found, zone):%A}".lower() == when.split()[0]
    assert next_digest_at(when, zone, found + 1) - found > 6 * DAY


def test_daily_digest_is_reported_each_day():
    """At its time."""
    assert next_digest_at("08:30", BERLIN, ms("2026-10-05T08:31+02:00")) == ms("2026-10-06T08:30+02:00")


def test_digest_of_a_monday_is_of_the_week():
    """By the calendar of the project."""
    monday = ms("2026-10-05T01:30+02:00")  # Sunday 23:30 in UTC
    assert digest_window_ms(["08:30"], BERLIN, monday) == 7 * DAY
    assert digest_window_ms(["08:30"], UTC, monday) == DAY


def test_weekly_digest_is_of_the_week():
    """From a minute before its time, when it is made ready, to a day after it, if it was put off."""
    at = ms("2026-10-08T08:30+02:00")
    spans = [digest_window_ms(["08:30", "thursday 08:30"], BERLIN, at + ms) for ms in (-60_001, -60_000, DAY - 1, DAY)]
    assert spans == [DAY, 7 * DAY, 7 * DAY, DAY]

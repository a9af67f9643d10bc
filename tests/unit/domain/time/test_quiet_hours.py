"""Quiet hours and times of the day, also on the days on which the clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.time.cron import to_local
from mainspring.domain.time.quiet_hours import next_clock_time, postpone, read_clock_time, read_quiet_hours

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "UTC"]
DAY = 86_400_000
clocks = st.times().map(lambda clock: f"{clock:%H:%M}")
instants = st.integers(1_300_000_000_000, 1_800_000_000_000)
zones = st.sampled_from(ZONES).map(ZoneInfo)


def ms(text):
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-10-05T21:59:59+02:00", "2026-10-05T21:59:59+02:00"),
        ("2026-10-05T22:00+02:00", "2026-10-06T07:00+02:00"),
        ("2026-10-06T06:59+02:00", "2026-10-06T07:00+02:00"),
        ("2026-10-06T07:00+02:00", "2026-10-06T07:00+02:00"),
        ("2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),  # an hour is lost in this night
        ("2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),  # an hour comes twice
    ],
)
def test_quiet_hours_postpone_until_their_end(at, until):
    """What falls into them waits for the wall clock to show their end; at their edges they are half open."""
    assert postpone("22:00-07:00", BERLIN, ms(at)) == ms(until)


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        ("01:00-02:30", "2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00"),  # 02:30 does not exist
        ("01:00-02:30", "2026-10-25T02:15+02:00", "2026-10-25T02:30+02:00"),
        ("01:00-02:30", "2026-10-25T02:15+01:00", "2026-10-25T02:30+01:00"),  # the second 02:15
    ],
)
def test_end_in_a_change_of_the_clocks_is_found(hours, at, until):
    """An end that does not exist is the first minute after the gap; of two, the one that is still to come."""
    assert postpone(hours, BERLIN, ms(at)) == ms(until)


@given(clocks, clocks, zones, instants)
def test_postponed_alert_is_sent_after_the_quiet_hours(start, end, zone, at):
    """Nothing is moved back, nothing lands in a quiet hour, nothing waits longer than they last, and looking twice changes nothing."""
    if start == end:
        return
    hours = f"{start}-{end}"
    later = postpone(hours, zone, at)
    assert at <= later <= at + 2 * DAY + DAY // 12  # a zone once left a whole day out
    assert postpone(hours, zone, later) == later
    inside = (
        start <= f"{to_local(at, zone):%H:%M}" < end
        if start < end
        else not end <= f"{to_local(at, zone):%H:%M}" < start
    )
    assert (later > at) == inside


@given(clocks, zones, instants)
def test_time_of_the_day_is_the_next_one(clock, zone, at):
    """It is never in the past and at most two days away; but for a gap the wall clock then shows it."""
    found = next_clock_time(clock, zone, at)
    assert at <= found <= at + 2 * DAY + DAY // 12
    local_time = f"{to_local(found, zone):%H:%M}"
    assert local_time == clock or to_local(found, zone).utcoffset() != to_local(found - 3 * 3_600_000, zone).utcoffset()


def test_time_that_comes_twice_counts_once():
    """In the night of the change a digest is not told a second time."""
    first = next_clock_time("02:30", BERLIN, ms("2026-10-25T00:00+02:00"))
    assert first == ms("2026-10-25T02:30+02:00")
    assert next_clock_time("02:30", BERLIN, first + 1) == ms("2026-10-26T02:30+01:00")


@pytest.mark.parametrize("written", ["22-7", "22:00", "24:00-07:00", "08:00-08:00", "", None, 22])
def test_hours_that_cannot_be_read_are_refused(written):
    """The error shows the form."""
    with pytest.raises(OptionError, match="not a valid range of quiet hours"):
        read_quiet_hours(written)


def test_hours_and_times_have_one_form():
    """What was read is read again as itself."""
    assert read_quiet_hours(" 9:05 - 17:00 ") == "09:05-17:00"
    assert read_clock_time("8:30") == "08:30"
    with pytest.raises(OptionError, match="not a time of day"):
        read_clock_time("8h30")

"""Cron expressions: what is refused, what `H` means, and every slot around changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.time.cron import Cron, expand_cron

ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Africa/Casablanca", "Antarctica/Troll"]
EXPRESSIONS = [
    "30 2 * * *",
    "*/30 * * * *",
    "0 * * * *",
    "15 1,2,3 * * *",
    "*/20 2 * * *",
    "0 0 * * *",
    "5 */3 * * MON",
]


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def slots(expr: str, zone: str, after: str, count: int) -> list[str]:
    cron, found = Cron(expr, ZoneInfo(zone)), []
    at: int | None = ms(after)
    for _ in range(count):
        assert at is not None
        at = cron.next_after(at)
        assert at is not None
        found.append(datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M%z"))
    return found


DST_TABLE = [
    # a fixed time in the gap fires at the first instant after it
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T20:00Z", ["03-29 03:00+0200", "03-30 02:30+0200"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T10:00Z", ["10-04 02:30+1100", "10-05 02:15+1100"]),
    ("30 2 * * *", "America/New_York", "2026-03-08T05:00Z", ["03-08 03:00-0400", "03-09 02:30-0400"]),
    ("30 2 * * *", "Africa/Casablanca", "2026-03-21T20:00Z", ["03-22 03:00+0100", "03-23 02:30+0100"]),
    ("30 1 * * *", "Antarctica/Troll", "2026-03-28T20:00Z", ["03-29 03:00+0200", "03-30 01:30+0200"]),
    # several fixed times in one gap are one slot
    ("0,30 2 * * *", "Europe/Berlin", "2026-03-28T20:00Z", ["03-29 03:00+0200", "03-30 02:00+0200"]),
    ("*/15 2 * * *", "Europe/Berlin", "2026-03-28T20:00Z", ["03-29 03:00+0200", "03-30 02:00+0200"]),
    # a fixed time in the fold fires once, in the first pass
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T20:00Z", ["10-25 02:30+0200", "10-26 02:30+0100"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T10:00Z", ["04-05 01:45+1100", "04-06 01:45+1030"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T04:00Z", ["11-01 01:30-0400", "11-02 01:30-0500"]),
    ("30 2 * * *", "Africa/Casablanca", "2026-02-14T20:00Z", ["02-15 02:30+0100", "02-16 02:30+0000"]),
    ("30 1 * * *", "Antarctica/Troll", "2026-10-24T20:00Z", ["10-25 01:30+0200", "10-26 01:30+0000"]),
    # asked in the second pass, a fixed time is over
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", ["10-26 02:30+0100"]),
    # elapsed time: both passes, and nothing for the hour that is not there
    (
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:45Z",
        ["10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-25 03:00+0100"],
    ),
    (
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:15Z",
        ["03-29 01:30+0100", "03-29 03:00+0200", "03-29 03:30+0200"],
    ),
    (
        "0 * * * *",
        "Antarctica/Troll",
        "2026-03-28T23:30Z",
        ["03-29 00:00+0000", "03-29 03:00+0200", "03-29 04:00+0200"],
    ),
    ("*/30 * * * *", "Australia/Lord_Howe", "2026-10-03T15:10Z", ["10-04 02:30+1100", "10-04 03:00+1100"]),
    # what cronsim alone would miss: it steps whole hours over a change of half an hour
    ("*/20 3 * * *", "Australia/Lord_Howe", "2026-10-03T10:00Z", ["10-04 03:00+1100", "10-04 03:20+1100"]),
    # a gap at midnight, and a whole day that is not there
    ("0 0 * * *", "Africa/Cairo", "2025-04-24T12:00Z", ["04-25 01:00+0300", "04-26 00:00+0300"]),
    ("0 12 * * *", "Pacific/Apia", "2011-12-30T05:00Z", ["12-31 00:00+1400", "12-31 12:00+1400"]),
]


@pytest.mark.parametrize(("expr", "zone", "after", "expected"), DST_TABLE)
def test_cron_follows_the_stated_rule_where_clocks_change(expr, zone, after, expected):
    """Gap: first instant after; fold: once; elapsed time continues."""
    assert slots(expr, zone, after, len(expected)) == expected


@pytest.mark.parametrize("expr", ["30 2 * * *", "*/30 * * * *", "0 * * * *", "0 0 1 * *"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Antarctica/Troll"])
def test_cron_agrees_with_cronsim_over_a_year(expr, zone):
    """Where no fix of ours applies, the slots are those of Debian's cron as cronsim has them."""
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
    reference = CronSim(expr, start)
    at, own_at = round(start.timestamp() * 1000), Cron(expr, ZoneInfo(zone))
    for _ in range(2000):
        at = own_at.next_after(at)
        expected = next(reference).timestamp() * 1000
        if at is None or at > ms("2027-01-01T00:00Z"):
            break
        assert at == expected


@given(
    expr=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(ZONES),
    at=st.integers(ms("2025-01-01T00:00Z"), ms("2029-01-01T00:00Z")),
    back=st.integers(1, 30 * 3_600_000),
)
@settings(max_examples=200, deadline=None)
def test_next_slot_increases_and_does_not_depend_on_the_way(expr, zone, at, back):
    """Walking slot by slot from earlier gives the slot that asking directly gives."""
    cron = Cron(expr, ZoneInfo(zone))
    direct = cron.next_after(at)
    assert direct is not None
    assert direct > at
    assert cron.next_after(direct - 1) == direct
    walked = at - back
    while walked <= at:
        after = cron.next_after(walked)
        assert after is not None
        assert after > walked
        walked = after
    assert walked == direct


@given(zone=st.sampled_from(ZONES), hours=st.integers(0, 24 * 365 * 2), minutes=st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_elapsed_expression_finds_every_minute_that_reads_right(zone, hours, minutes):
    """An oracle that looks at each minute's wall clock finds the same next slot."""
    at = ms("2026-01-01T00:00Z") + (hours * 60 + minutes) * 60_000
    probe = at + 60_000
    while datetime.fromtimestamp(probe / 1000, ZoneInfo(zone)).minute % 20:
        probe += 60_000
    assert Cron("*/20 * * * *", ZoneInfo(zone)).next_after(at) == probe


def test_cron_around_each_change_of_clocks_matches_the_minute_oracle():
    """In the three hours about each change of 2026 no zone loses or doubles a slot of elapsed time."""
    for name in ZONES:
        zone, cron = ZoneInfo(name), Cron("*/30 * * * *", ZoneInfo(name))
        day = datetime(2026, 1, 1, tzinfo=UTC)
        for _ in range(365):
            after = day + timedelta(days=1)
            if day.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
                first, last = round(day.timestamp()) // 60, round(after.timestamp()) // 60
                expected = [
                    minute * 60_000
                    for minute in range(first + 1, last)
                    if datetime.fromtimestamp(minute * 60, zone).minute % 30 == 0
                ]
                found, at = [], first * 60_000
                while (at := cron.next_after(at) or last * 60_000) < last * 60_000:
                    found.append(at)
                assert found == expected, name
            day = after


@pytest.mark.parametrize(
    ("expr", "sentence"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("61 * * * *", "bad minute '61', expected 0 to 59"),
        ("* * * *", "4 fields"),
        ("0 0 3 * * * *", "7 fields"),
        ("61 0 3 * * *", "bad second"),
        ("0 0 99 * *", "bad day-of-month"),
        ("@reboot", "not a known name"),
        ("", "not a cron expression"),
        ("0 0 0 99 * *", "bad day-of-month '99', expected 1 to 31"),
        ("H(5-70) * * * *", "bad range"),
        ("H/0 * * * *", "bad step"),
        ("0 0 * * X", "bad day-of-week"),
        ("* " * 200, "not a cron expression"),
    ],
)
def test_cron_refuses_what_cannot_work(expr, sentence):
    """Each refusal names the expression and how to fix it."""
    with pytest.raises(OptionError, match=sentence) as refused:
        expand_cron(expr, name="backup")
    assert refused.value.hint


def test_leap_day_is_a_real_date():
    """29 February comes, only seldom."""
    assert slots(expand_cron("0 0 29 2 *"), "UTC", "2026-01-01T00:00Z", 1) == ["02-29 00:00+0000"]


def test_hashed_fields_spread_by_name_and_stay():
    """`H` depends on the name alone, lies in its range, and spreads."""
    assert expand_cron("H H * * *", "backup") == expand_cron("h  H * * *", "backup")
    assert len({expand_cron("H H * * *", f"n{n}") for n in range(50)}) > 40
    for n in range(50):
        minute, hour, day, *_ = expand_cron("H/15 H(1-5) H * *", f"n{n}").split(" ")
        assert minute.endswith("-59/15")
        assert int(minute.split("-")[0]) < 15
        assert 1 <= int(hour) <= 5
        assert 1 <= int(day) <= 28


def test_hashed_fields_need_a_name():
    """Without a name there is nothing to spread by."""
    with pytest.raises(OptionError, match="no name"):
        expand_cron("H * * * *")


def test_next_slot_at_the_end_of_the_calendar_is_none():
    """The year 9999 ends quietly."""
    end = Cron("0 0 * * *", ZoneInfo("Europe/Berlin"))
    assert end.next_after(253_402_300_799_000) is None
    assert end.next_after(2**62) is None


def test_next_slot_may_be_decades_away():
    """A fifth Monday in February comes once in 28 years, and is found."""
    assert slots("0 0 * 2 MON#5", "UTC", "2026-01-01T00:00Z", 1) == ["02-29 00:00+0000"]


def test_six_fields_start_with_the_second():
    """The rule for clocks looks at minute and hour all the same; a second of 0 is the line without it."""
    cron = expand_cron("*/20 30 2 * * *")
    assert slots(cron, "Europe/Berlin", "2026-03-28T01:30:10Z", 3) == [
        *("03-28 02:30+0100", "03-28 02:30+0100", "03-29 03:00+0200"),
    ]
    assert len(set(slots(cron, "Europe/Berlin", "2026-10-24T23:00Z", 3))) == 1
    assert slots(cron, "Europe/Berlin", "2026-10-25T00:45Z", 1) == ["10-26 02:30+0100"]
    assert expand_cron("0 30 2 * * *") == "30 2 * * *"
    assert Cron(expand_cron("5 * * * * *"), ZoneInfo("UTC")).next_after(5_000) == 65_000


def test_hashed_second_leaves_the_other_fields_as_they_were():
    """What was spread before stays where it is."""
    second, *rest = expand_cron("H H H * * *", "backup").split(" ")
    assert " ".join(rest) == expand_cron("H H * * *", "backup")
    assert 0 <= int(second) < 60

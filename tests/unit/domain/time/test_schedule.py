"""Schedules: what is refused, the grid of elapsed time, slots in a range, words and data."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.time.schedule import Schedule

NOON = round(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp() * 1000)


@given(at=st.integers(0, 2**45), period=st.integers(1000, 10**9), share=st.floats(0, 0.99))
def test_every_keeps_to_its_grid(at, period, share):
    """A slot is the next point of epoch + offset + n * every, whatever was asked before."""
    offset = int(period * share)
    schedule = Schedule.parse(every=timedelta(milliseconds=period), offset=timedelta(milliseconds=offset))
    slot = schedule.next_after(at)
    assert slot is not None
    assert at < slot <= at + period
    assert (slot - offset) % period == 0
    assert schedule.next_after(slot) == slot + period


def test_every_counts_elapsed_time():
    """A quarter of an hour is a quarter of an hour."""
    assert Schedule.parse(every="15m").slots_between(NOON, NOON + 3_600_000) == [
        NOON + n * 900_000 for n in (1, 2, 3, 4)
    ]
    assert Schedule.parse(every="1h", offset="5m").next_after(NOON) == NOON + 300_000


def test_slots_between_leaves_out_the_first_and_keeps_the_last():
    """The range is open below and closed above, and never longer than the limit."""
    daily = Schedule.parse(cron="0 12 * * *")
    assert daily.slots_between(NOON, NOON + 86_400_000) == [NOON + 86_400_000]
    assert daily.slots_between(NOON, NOON + 86_399_999) == []
    assert len(daily.slots_between(NOON, NOON + 10**12, limit=7)) == 7
    assert daily.slots_between(NOON, NOON + 10**12, limit=0) == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "one of cron, every and at"),
        ({"cron": "0 3 * * *", "every": "1h"}, "one of cron, every and at"),
        ({"every": "999ms"}, "shorter than one second"),
        ({"every": "soon"}, "not a span"),
        ({"every": timedelta(seconds=1, microseconds=1)}, "finer than a millisecond"),
        ({"every": "1h", "offset": "1h"}, "not shorter than every"),
        ({"every": "1h", "tz": "Europe/Berlin"}, "no time zone"),
        ({"cron": "0 3 * * *", "offset": "5m"}, "offset shifts every alone"),
        ({"at": "2026-12-24T18:00", "offset": "5m"}, "offset shifts every alone"),
    ],
)
def test_schedule_refuses_what_cannot_work(spec, sentence):
    """Each refusal says how to fix it."""
    with pytest.raises(OptionError, match=sentence) as refused:
        Schedule.parse(**spec)
    assert refused.value.hint


@pytest.mark.parametrize("tz", ["europe/berlin", "Europe/Berln", "", "Europe", "../etc/passwd", "\0"])
def test_unknown_time_zone_is_refused(tz):
    """A zone that does not exist is named, the nearest is shown where there is one."""
    with pytest.raises(UnknownNameError, match="time zone") as refused:
        Schedule.parse(cron="0 3 * * *", tz=tz)
    if "berl" in tz.lower():
        assert refused.value.nearest == "Europe/Berlin"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cron": "0 3 * * *", "tz": "Europe/Berlin"}, "every day at 03:00 (Europe/Berlin)"),
        ({"every": "90m"}, "every 1h30m"),
        ({"every": "1h", "offset": "5m"}, "every 1h, 5m past"),
    ],
)
def test_schedule_describes_itself_in_words(spec, words):
    """People read words, not fields."""
    assert Schedule.parse(**spec).describe() == words


def test_schedule_survives_as_data():
    """JSON and back is the same schedule, and its key tells equal ones from others."""
    schedules = [
        Schedule.parse(cron="@daily", tz="Europe/Berlin"),
        Schedule.parse(cron="H 3 * * *", name="backup"),
        Schedule.parse(every="90s", offset="7s"),
    ]
    for schedule in schedules:
        data = msgspec.json.decode(msgspec.json.encode(schedule.to_data()))
        assert Schedule.from_data(data) == schedule
    assert len({schedule.key for schedule in schedules}) == 3
    assert Schedule.parse(cron="@daily").key == Schedule.parse(cron="0  0 * * *").key
    assert schedules[0].written == "@daily"


@pytest.mark.parametrize(
    ("at", "tz", "instant"),
    [
        ("2026-12-24T18:00", "Europe/Berlin", "2026-12-24T17:00:00+00:00"),
        ("2026-12-24 18:00:30", "UTC", "2026-12-24T18:00:30+00:00"),
        ("2026-12-24T18:00+05:00", "Europe/Berlin", "2026-12-24T13:00:00+00:00"),
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_one_shot_is_one_slot(at, tz, instant):
    """At its instant by the wall clock of its zone, under the rule for gaps and folds; then nothing."""
    schedule = Schedule.parse(at=at, tz=tz)
    slot = round(datetime.fromisoformat(instant).timestamp() * 1000)
    assert schedule.next_after(NOON) == slot
    assert schedule.next_after(slot - 1) == slot
    assert schedule.next_after(slot) is None
    assert Schedule.from_data(schedule.to_data()) == schedule
    assert schedule.describe().startswith("once at 2026-")


@pytest.mark.parametrize(
    "at", ["2026-12-24", "18:00", "soon", "2026-13-01T00:00", "0001-01-01T00:00", "2026-12-24T18:00:00.5", 5]
)
def test_one_shot_refuses_what_is_no_moment(at):
    """It needs a date and a time, in years that clocks know."""
    with pytest.raises(OptionError, match="not a date and time"):
        Schedule.parse(at=at)


@given(
    spec=st.sampled_from(
        [
            {"every": "7m"},
            {"cron": "* 3 * * *"},
            {"cron": "0 0 1 1 *"},
            {"at": "2026-01-04T00:00"},
            {"cron": "*/5 9-17 * * 1-5"},
        ]
    ),
    days=st.integers(1, 40),
    count=st.integers(0, 70),
)
def test_newest_slots_are_the_end_of_all_of_them(spec, days, count):
    """Without walking through all."""
    schedule = Schedule.parse(**spec)
    after = NOON - days * 86_400_000
    slots = schedule.slots_between(after, NOON, 10**6)
    assert schedule.newest_between(after, NOON, count) == (slots[-count:] if count else [])

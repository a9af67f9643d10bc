"""The next seven days: which starts there are, which of them find no room, on which days clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.time.schedule import Schedule
from mainspring.domain.time.schedule_preview import ClockChange
from mainspring.insight.automations.agenda import HOUR_MS, SPAN_MS, PlannedSchedule, build_agenda, list_day_starts

NOW = int(datetime(2026, 10, 22, 10, 20, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000


def planned(name="a", *, cron=None, every=None, tz=None, **more):
    return PlannedSchedule(name=name, automation=name, schedule=Schedule.parse(cron=cron, every=every, tz=tz), **more)


def line_of(plan, durations=None):
    (found,) = build_agenda([plan], {} if durations is None else {plan.automation: durations}, NOW).lines
    return found


def test_each_start_of_the_seven_days_is_counted_once():
    """In its hour; what is past of this hour is over."""
    hourly = build_agenda([planned(cron="5 * * * *")], {}, NOW)
    assert (hourly.from_at, hourly.until_at) == (NOW - 20 * MINUTE, NOW - 20 * MINUTE + SPAN_MS)
    assert hourly.hours == (0, *[1] * 167)
    (line,) = hourly.lines
    assert (line.count, line.is_about, line.next_at, line.crowded) == (167, False, NOW + 45 * MINUTE, 0)


@settings(max_examples=50)
@given(st.sampled_from(["5 * * * *", "0 3 * * *", "30 2 * * SUN", "*/45 9-12 * * *"]), st.integers(0, 10**9))
def test_starts_are_those_of_the_schedule(cron, later):
    """Whenever it is looked at: none is left out, none is there twice, and the hours hold them all."""
    now = NOW + later
    plan = planned(cron=cron, tz="Europe/Berlin")
    agenda = build_agenda([plan], {}, now)
    (line,) = agenda.lines
    expected = plan.schedule.slots_between(now - 1, agenda.until_at - 1)
    assert [start.start_at for start in line.starts] == expected
    assert (sum(agenda.hours), line.count) == (len(expected), len(expected))


def test_listed_starts_are_limited_and_all_are_counted():
    """The busiest lines and the first starts of each; the hours, the counts and who finds no room are those of all."""
    several = [planned("b", cron="0 3 * * *"), planned("a", cron="5 * * * *"), planned("c", cron="0 0 1 1 *")]
    durations = {"a": 90 * MINUTE, "b": MINUTE}
    whole, part = build_agenda(several, durations, NOW), build_agenda(several, durations, NOW, lines=1, starts=3)
    assert [line.automation for line in whole.lines] == ["a", "b", "c"]
    assert [line.automation for line in part.lines] == ["a"]
    assert (part.hours, part.count, part.automations) == (whole.hours, whole.count, 3)
    assert whole.count == sum(line.count for line in whole.lines) == 167 + 7
    assert part.lines[0].starts == whole.lines[0].starts[:3]
    assert part.lines[0].crowded == whole.lines[0].crowded == 83


def test_frequent_starts_are_one_band():
    """And counted by how often it starts at first."""
    line = line_of(planned(every="1m"))
    assert (line.starts, line.often_from_at, line.is_about) == ((), NOW, True)
    assert line.count == pytest.approx(SPAN_MS / MINUTE, rel=0.01)
    assert line.next_at == NOW


def test_start_without_capacity_is_reported():
    """By the usual length; one that is skipped keeps no one waiting."""
    often = {"cron": "*/30 9 * * *"}
    assert [start.is_crowded for start in line_of(planned(**often), 45 * MINUTE).starts[:4]] == [
        False,
        True,
        False,
        True,
    ]
    assert line_of(planned(**often), 20 * MINUTE).crowded == 0
    assert line_of(planned(**often)).crowded == 0
    skipped = line_of(planned(cron="0,30 9-11 * * *"), 45 * MINUTE)
    waiting = line_of(planned(cron="0,30 9-11 * * *", overlap="queue"), 45 * MINUTE)
    assert (skipped.crowded, waiting.crowded) == (20, 33)
    assert all(start.end_at == start.start_at for start in skipped.starts if start.is_crowded)


def test_days_whose_clocks_change_are_reported_in_their_zone():
    """Of each schedule its own; UTC has none."""
    berlin = line_of(planned(cron="0 3 * * *", tz="Europe/Berlin"))
    (day,) = berlin.clock_days
    assert (day.change, day.zone, day.end_at - day.begin_at) == (ClockChange.BACK, "Europe/Berlin", 25 * HOUR_MS)
    assert line_of(planned(cron="0 3 * * *")).clock_days == ()
    day_starts = list_day_starts("Europe/Berlin", NOW, NOW + SPAN_MS)
    assert len(day_starts) == 7
    assert [(later - day_start) // HOUR_MS for day_start, later in pairwise(day_starts)] == [
        24,
        24,
        25,
        24,
        24,
        24,
    ]


def test_paused_automation_starts_nothing():
    """For ever, or until then; it comes last."""
    agenda = build_agenda([planned("a", cron="0 * * * *", paused=True), planned("b", cron="0 3 * * *")], {}, NOW)
    assert [(line.automation, line.count, line.next_at is None) for line in agenda.lines] == [
        ("b", 7, False),
        ("a", 0, True),
    ]
    resumed = line_of(planned(cron="0 * * * *", from_at=NOW + 24 * HOUR_MS))
    assert resumed.next_at == NOW + 24 * HOUR_MS + 40 * MINUTE


def test_the_busiest_comes_first():
    """Most time, then most starts; several schedules of one automation are one line."""
    found = [
        planned("often", cron="0 * * * *"),
        planned("long", cron="0 3 * * *"),
        PlannedSchedule(name="two#1", automation="two", schedule=Schedule.parse(cron="0 1 * * *")),
        PlannedSchedule(name="two#2", automation="two", schedule=Schedule.parse(cron="0 2 * * *")),
    ]
    agenda = build_agenda(found, {"long": 3 * HOUR_MS, "often": MINUTE}, NOW)
    assert [(line.automation, line.count) for line in agenda.lines] == [("long", 7), ("often", 167), ("two", 14)]
    assert len(agenda.lines[2].words) == 2


def test_jitter_puts_a_start_off():
    """As its run will be."""
    on_time, late = (line_of(planned(cron="0 3 * * *", jitter=span)) for span in (None, timedelta(hours=1)))
    moved = [other.start_at - start.start_at for start, other in zip(on_time.starts, late.starts, strict=True)]
    assert all(0 <= by < HOUR_MS for by in moved)
    assert any(moved)

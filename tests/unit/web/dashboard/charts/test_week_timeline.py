"""The picture of the seven days: bars where the starts are, as few as can be seen."""

import re
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.time.schedule import Schedule
from mainspring.insight.automations.agenda import PlannedSchedule, build_agenda, list_clock_changes
from mainspring.web.dashboard.charts.week_timeline import (
    WIDTH,
    draw_band,
    draw_day_marks,
    draw_hours,
    draw_line,
    find_busiest_hour,
)

NOW = int(datetime(2026, 10, 22, 10, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000


def agenda(cron, duration_ms=None, tz=None, **more):
    plan = PlannedSchedule(name="a", automation="a", schedule=Schedule.parse(cron=cron, tz=tz), **more)
    return build_agenda([plan], {} if duration_ms is None else {"a": duration_ms}, NOW)


def bars(path):
    return [(int(x), int(width)) for x, width in re.findall(r"M(\d+) \d+h(\d+)", path)]


@settings(max_examples=50)
@given(st.sampled_from(["5 * * * *", "0 3 * * *", "*/45 9-12 * * *"]), st.integers(0, 200 * 3_600_000))
def test_bars_lie_on_the_line_and_apart(cron, duration_ms):
    """In order, none over another, none beyond the end."""
    found = agenda(cron, duration_ms, overlap="allow")
    picture = draw_line(found, found.lines[0])
    assert bars(picture.free + picture.crowded)
    for path in (picture.free, picture.crowded):
        last = 0
        for x, width in bars(path):
            assert last <= x
            assert width > 0
            last = x + width
        assert last <= WIDTH


def test_bar_is_where_its_start_is_and_as_long_as_it_takes():
    """Five minutes are one unit; what takes no time can be seen all the same."""
    found = agenda("0 3 * * *", 120 * MINUTE)
    assert bars(draw_line(found, found.lines[0]).free)[:2] == [(17 * 12, 24), (41 * 12, 24)]
    found = agenda("0 3 * * *")
    assert bars(draw_line(found, found.lines[0]).free)[0] == (17 * 12, 6)
    found = agenda("0,30 3 * * *", 45 * MINUTE)
    assert bars(draw_line(found, found.lines[0]).crowded)[0] == (17 * 12 + 6, 6)


def test_days_are_named_where_they_start():
    """Of the zone in which they are notified; a day whose clocks change is as wide as it lasts."""
    found = agenda("0 3 * * *", tz="Europe/Berlin")
    marks = draw_day_marks(found, "Europe/Berlin")
    assert [mark.text for mark in marks] == ["Fri 23", "Sat 24", "Sun 25", "Mon 26", "Tue 27", "Wed 28", "Thu 29"]
    assert (marks[0].x, marks[0].percent) == (12 * 12, "7.14%")
    (day,) = list_clock_changes("Europe/Berlin", found.from_at, found.until_at)
    band = draw_band(found, day)
    assert (band.x, band.width) == (marks[2].x, 25 * 12)
    assert band.text == "clocks go back on 2026-10-25 (Europe/Berlin)"


def test_hours_are_as_high_as_they_are_busy():
    """Beside the busiest; empty ones are not drawn."""
    found = agenda("0,30 3 * * *")
    assert find_busiest_hour(found) == (NOW + 17 * 60 * MINUTE, 2)
    assert draw_hours(found).count("M") == 7
    nothing = build_agenda([], {}, NOW)
    assert (draw_hours(nothing), find_busiest_hour(nothing)[1]) == ("", 0)

"""Quiet hours and times of the day, on the wall clock of a zone.

Invariants: a postponed instant is later and never in a quiet hour, at most at the end of the hours it was in; an instant outside of quiet
hours is not postponed. On a day on which the clocks change, the hours are those that the wall clock shows.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.time.cron import instant_of, to_local

_CLOCK = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_TIME = lazy_pattern(_CLOCK, re.ASCII)
_HOURS = lazy_pattern(rf"({_CLOCK})\s*-\s*({_CLOCK})", re.ASCII)
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)


def read_quiet_hours(value: Any) -> str:
    """Return quiet hours in canonical form, "22:00-07:00". Raises OptionError."""
    match = _HOURS.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or _time(match[1]) == _time(match[4]):
        raise OptionError(f"{str(value)[:40]!r} is not a valid range of quiet hours", hint='Write "22:00-07:00".')
    return f"{_time(match[1]):%H:%M}-{_time(match[4]):%H:%M}"


def read_clock_time(value: Any) -> str:
    """Return a time of the day in canonical form, "08:30". Raises OptionError."""
    if not isinstance(value, str) or not _TIME.fullmatch(value.strip()):
        raise OptionError(f"{str(value)[:40]!r} is not a time of day", hint='Write "08:30".')
    return f"{_time(value.strip()):%H:%M}"


def next_clock_time(clock: str, zone: ZoneInfo, at: int) -> int:
    """Return the first instant from `at` on at which the wall clock shows the time `clock`; of two passes the first counts."""
    walls = _wall_times(to_local(at, zone).date(), _time(clock))
    return min(instant for wall in walls if (instant := instant_of(wall, zone)) >= at)


def postpone(hours: str, zone: ZoneInfo, at: int) -> int:
    """Return `at`, or the end of the quiet hours that it is in."""
    start, end = (_time(part) for part in hours.split("-"))
    if not _is_within(start, end, zone, at):
        return at
    ends = (instant for wall in _wall_times(to_local(at, zone).date(), end) for instant in _instants_of(wall, zone))
    return min(instant for instant in ends if instant > at and not _is_within(start, end, zone, instant))


def _is_within(start: time, end: time, zone: ZoneInfo, at: int) -> bool:
    now = to_local(at, zone).time()
    return start <= now < end if start < end else now >= start or now < end


def _wall_times(today: date, clock: time) -> list[datetime]:
    """Return the time on today and on the days after; a change of the clocks may remove one of them."""
    return [datetime.combine(today + days * _DAY, clock) for days in range(3)]


def _instants_of(wall: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """Return when the wall clock shows a time: twice if it is set back."""
    first = instant_of(wall, zone)
    before, after = (wall.replace(tzinfo=zone, fold=pass_number).utcoffset() for pass_number in (0, 1))
    assert before is not None and after is not None, "a zone knows its offset"
    return (first, first + (before - after) // _MILLISECOND) if before > after else (first,)


def _time(clock: str) -> time:
    hour, minute = clock.split(":")
    return time(int(hour), int(minute))

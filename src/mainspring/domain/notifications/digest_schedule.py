"""Digest schedule: each day at a time ("08:30"), or each week on a day ("monday 08:30"), on the wall clock of a zone. Pure."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from mainspring.domain.errors import OptionError
from mainspring.domain.time.cron import to_local
from mainspring.domain.time.quiet_hours import next_clock_time, read_clock_time

DEFAULT_DIGEST = "08:30"
_DAY_MS = 24 * 3_600_000
_AHEAD_MS = 60_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_ABBREVIATION_LENGTH = 3
_HINT = 'Write "08:30" or "daily 08:30" for each day, "monday 08:30" or "weekly monday 08:30" for once a week.'


def read_digest_schedule(value: Any) -> str:
    """Return a digest schedule in its canonical form, "08:30" or "monday 08:30". Raises OptionError."""
    words = value.lower().split() if isinstance(value, str) else []
    often = words.pop(0) if words and words[0] in ("daily", "weekly") else ""
    day = next((name for name in _DAYS if len(words) > 1 and words[0] in (name, name[:_DAY_ABBREVIATION_LENGTH])), "")
    try:
        if len(words) != 1 + bool(day) or (often and (often == "weekly") != bool(day)):
            raise OptionError("expected a day and a time")
        clock = read_clock_time(words[-1])
    except OptionError:
        raise OptionError(f"{str(value)[:40]!r} is not a valid time of a digest", hint=_HINT) from None
    return f"{day} {clock}" if day else clock


def next_digest_at(when: str, zone: ZoneInfo, at: int) -> int:
    """Return the first instant from `at` on at which a digest of `when` is sent (ms)."""
    day, _, clock = when.rpartition(" ")
    digest_at = next_clock_time(clock, zone, at)
    while day and _DAYS[to_local(digest_at, zone).weekday()] != day:
        digest_at = next_clock_time(clock, zone, digest_at + 1)
    return digest_at


def digest_window_ms(whens: Iterable[str], zone: ZoneInfo, at: int) -> int:
    """Return the period that the digest of an instant covers: a week on the day of a weekly digest and on Mondays, else a day.

    A digest that was put off covers a day, so that its day may be over.
    """
    weekly_schedules = (schedule for schedule in whens if " " in schedule)
    is_week = any(next_digest_at(schedule, zone, at - _DAY_MS + 1) <= at + _AHEAD_MS for schedule in weekly_schedules)
    return 7 * _DAY_MS if is_week or to_local(at, zone).weekday() == 0 else _DAY_MS

"""Cron descriptions: the usual cron expressions in a few words; all others are described by cronsim's own sentence."""

import calendar
import re
from typing import Final

from mainspring.domain.text.lazy_pattern import lazy_pattern

_NUMBER: Final = lazy_pattern(r"[0-9]{1,2}", re.ASCII)
_STEP: Final = lazy_pattern(r"\*/([0-9]{1,2})", re.ASCII)
_LIST: Final = lazy_pattern(r"[0-9]{1,2}(?:,[0-9]{1,2})*", re.ASCII)
_RANGE: Final = lazy_pattern(r"([0-9]{1,2})-([0-9]{1,2})", re.ASCII)
_DAYS: Final = dict(zip(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), range(7), strict=True))
_EVERY_DAY: Final = "every day"


def describe_cron(expression: str) -> str | None:
    """Return five or six plain fields in words: "every 5 minutes", "every day at 03:00"; None = they are too unusual."""
    fields = expression.upper().split(" ")
    if len(fields) == 6:
        return _step_words(fields[0], 60, "second") if set(fields[1:]) == {"*"} else None
    minute, hour, day, month, weekday = fields
    days = _days_words(day, month, weekday)
    if days is None:
        return None
    is_each_day = days == _EVERY_DAY
    every = _step_words(minute, 60, "minute")
    if every is not None:
        hours = _hours_words(hour)
        if hours is None:
            return None
        return f"{every}{hours}" + ("" if is_each_day else f", {days}")
    if not _NUMBER.fullmatch(minute):
        return None
    if hour == "*" or _STEP.fullmatch(hour):
        step = _step_words(hour, 24, "hour")
        past = f" at :{int(minute):02}" if int(minute) else ""
        return None if step is None else f"{step}{past}" + ("" if is_each_day else f", {days}")
    times = (
        [f"{int(hour_text):02}:{int(minute):02}" for hour_text in sorted(hour.split(","), key=int)]
        if _LIST.fullmatch(hour)
        else []
    )
    return f"{days} at {_join_words(times)}" if times else None


def _step_words(field: str, whole: int, unit: str) -> str | None:
    """Return "every 5 minutes" of a step that divides the range; others are not evenly apart."""
    step = _STEP.fullmatch(field)
    count = 1 if field == "*" else int(step[1]) if step else 0
    if not count or whole % count or count == whole:
        return None
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _hours_words(field: str) -> str | None:
    """Return " from 09:00 to 17:59" of a range of hours, "" of every hour."""
    span = _RANGE.fullmatch(field)
    if field == "*":
        return ""
    if span is not None and int(span[1]) <= int(span[2]):
        return f" from {int(span[1]):02}:00 to {int(span[2]):02}:59"
    return f" from {int(field):02}:00 to {int(field):02}:59" if _NUMBER.fullmatch(field) else None


def _days_words(day: str, month: str, weekday: str) -> str | None:
    """Return the days in words: "every day", "every Monday", "Monday to Friday", "on day 1 of every month", "on 24 December"."""
    if day == month == weekday == "*":
        return _EVERY_DAY
    if weekday == "*" and _NUMBER.fullmatch(day):
        if month == "*":
            return f"on day {int(day)} of every month"
        return f"on {int(day)} {calendar.month_name[int(month)]}" if _NUMBER.fullmatch(month) else None
    return _weekdays_words(weekday) if day == month == "*" else None


def _weekdays_words(field: str) -> str | None:
    parts = [_range_of(part) for part in field.split(",")]
    if any(part is None for part in parts):
        return None
    spans = [part for part in parts if part is not None]
    if len(spans) == 1 and spans[0][0] != spans[0][1]:
        return f"{_day_name(spans[0][0])} to {_day_name(spans[0][1])}"
    if all(first == last for first, last in spans):
        return f"every {_join_words([_day_name(first) for first, _ in spans])}"
    return None


def _range_of(part: str) -> tuple[int, int] | None:
    """Return the first and the last weekday of a part, 0 = Sunday."""
    ends = [_DAYS.get(end, int(end) if _NUMBER.fullmatch(end) else None) for end in part.split("-")]
    if len(ends) > 2 or any(end is None for end in ends):
        return None
    days = [end % 7 for end in ends if end is not None]
    return days[0], days[-1]


def _day_name(number: int) -> str:
    return calendar.day_name[(number - 1) % 7]


def _join_words(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

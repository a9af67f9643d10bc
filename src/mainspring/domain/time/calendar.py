"""Calendars: which days are open, and what happens to a slot on a closed one.

A calendar is data: weekdays, holidays whose dates were computed when the automation was loaded, and dates that a person named. So every
process computes the same slots, without configuration or package. Days are those of the schedule's zone.

Order: a day that is included is open, one that is excluded is closed, a holiday is closed, the rest is decided by its weekday.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.time.cron import instant_of, to_local

BUSINESS_DAYS = "business-days"
"""The calendar that exists without configuration: Monday to Friday."""
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

_CODE = lazy_pattern(r"[A-Z]{2,6}(-[A-Z0-9]{1,12})?", re.ASCII)
_ONE_DAY = timedelta(days=1)
_FARTHEST = timedelta(days=366 * 60)
_FARTHEST_MOVE = timedelta(days=3_660)

DateRange = tuple[date, date]
"""The first and the last of a run of days."""
NextSlot = Callable[[int], int | None]
"""The next slot after an instant, if every day were open."""


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Open and closed days. `weekdays`: 0 = Monday; `holidays`: the requested ones, `dates`: their dates up to the year `known_until`."""

    name: str
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: tuple[str, ...] = ()
    include: tuple[DateRange, ...] = ()
    exclude: tuple[DateRange, ...] = ()
    on_closed: Literal["skip", "next"] = "skip"
    dates: tuple[date, ...] = ()
    known_from: int = 0
    known_until: int = 0

    @classmethod
    def parse(
        cls,
        name: str,
        *,
        weekdays: Iterable[str] = WEEKDAYS[:5],
        holidays: Iterable[str] = (),
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        on_closed: str = "skip",
    ) -> Self:
        """Return the calendar that is written, without dates of holidays.

        Raises:
            OptionError: a value cannot be used, or no day is ever open.
        """
        if on_closed not in ("skip", "next"):
            raise OptionError(f"on_closed={on_closed!r} is none of the choices", hint='Choose "skip" or "next".')
        calendar = cls(
            name=name,
            weekdays=tuple(sorted({number for item in weekdays for number in read_weekdays(item)})),
            holidays=tuple(dict.fromkeys(read_holidays(item) for item in holidays)),
            include=tuple(sorted(read_days(item) for item in include)),
            exclude=tuple(sorted(read_days(item) for item in exclude)),
            on_closed="next" if on_closed == "next" else "skip",
        )
        if not calendar.weekdays and not calendar.include:
            raise OptionError(
                f"calendar {name!r} has no open day", hint='Write weekdays = ["MON-FRI"] or include days.'
            )
        return calendar

    def with_dates(self, dates: Iterable[date], known_from: int, known_until: int) -> Self:
        """Return it with the dates of its holidays for whole years."""
        return msgspec.structs.replace(
            self, dates=tuple(sorted(set(dates))), known_from=known_from, known_until=known_until
        )

    @property
    def key(self) -> str:
        """Text that is equal for equal rules, whichever years' dates are known."""
        rules = msgspec.structs.replace(self, dates=(), known_from=0, known_until=0)
        return msgspec.json.encode(rules, order="deterministic").decode()

    def is_open(self, day: date) -> bool:
        """Whether slots of this day are created on it."""
        if _is_in_ranges(day, self.include):
            return True
        if _is_in_ranges(day, self.exclude):
            return False
        index = bisect_left(self.dates, day)
        if index < len(self.dates) and self.dates[index] == day:
            return False
        return day.weekday() in self.weekdays

    def open_from(self, day: date) -> date | None:
        """Return the first open day from `day` on; None if none follows."""
        end = _add_days(day, _FARTHEST)
        while not self.is_open(day):
            if day >= end:
                return None
            day += _ONE_DAY
        return day

    def next_after(self, at: int, bare: NextSlot, zone: ZoneInfo, *, moves: bool) -> int | None:
        """Return the first slot after `at` (ms) of a schedule with this calendar; `moves` = its slots have a time of day to be moved by."""
        try:
            if moves and self.on_closed == "next":
                return self._next_moved(at, bare, zone)
            return self._next_open(at, bare, zone)
        except OverflowError:
            return None

    def _next_open(self, at: int, bare: NextSlot, zone: ZoneInfo) -> int | None:
        """Return the next slot, without those on closed days."""
        slot = bare(at)
        end = _add_days(to_local(at, zone).date(), _FARTHEST)
        while slot is not None and (day := to_local(slot, zone).date()) < end:
            opens = self.open_from(day)
            if opens is None or opens == day:
                return None if opens is None else slot
            slot = bare(_start_of_day(opens, zone) - 1)
        return None

    def _next_moved(self, at: int, bare: NextSlot, zone: ZoneInfo) -> int | None:
        """Return the next slot, with those on closed days moved to the same time of the next open day; slots that meet there are one."""
        today = to_local(at, zone).date()
        end, day = _add_days(today, _FARTHEST), self.open_from(today)
        while day is not None and day < end:
            slot = self._next_of(day, at, bare, zone)
            if slot is not None:
                return slot
            following = bare(_start_of_day(day + _ONE_DAY, zone) - 1)
            if following is None:
                return None
            day = self.open_from(to_local(following, zone).date())
        return None

    def _next_of(self, day: date, at: int, bare: NextSlot, zone: ZoneInfo) -> int | None:
        """Return the first slot after `at` on an open day: one of its own, or of the closed days right before it.

        Of each of those days only the first slot that comes after `at` when moved counts.
        """
        start_of_day = _start_of_day(day, zone)
        own_slot = bare(max(at, start_of_day - 1))
        first_slot = own_slot if own_slot is not None and own_slot < _start_of_day(day + _ONE_DAY, zone) else None
        local = to_local(at, zone)
        time_from = local.time() if local.date() == day else datetime.min.time()
        closed = self._closed_before(day)
        while closed < day:
            slot = bare(instant_of(datetime.combine(closed, time_from), zone) - 1)
            while slot is not None and (on := to_local(slot, zone)).date() == closed:
                moved = instant_of(datetime.combine(day, on.time()), zone)
                if moved > at:
                    first_slot = moved if first_slot is None else min(first_slot, moved)
                    break
                slot = bare(slot)
            if slot is None:
                break
            closed = max(closed + _ONE_DAY, to_local(slot, zone).date())
        return first_slot

    def _closed_before(self, day: date) -> date:
        """Return the first of the closed days right before an open one; the open one if there are none."""
        farthest = day - _FARTHEST_MOVE
        while day > farthest and not self.is_open(day - _ONE_DAY):
            day -= _ONE_DAY
        return day


def read_weekdays(value: Any) -> tuple[int, ...]:
    """Read "MON" or "MON-FRI"; Monday is 0. Raises OptionError."""
    first, dash, last = str(value).strip().upper().partition("-")
    if isinstance(value, str) and first in WEEKDAYS and (last in WEEKDAYS or not dash):
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        if start <= end:
            return tuple(range(start, end + 1))
    raise OptionError(f"{value!r} is not a weekday", hint=f'Write {", ".join(WEEKDAYS)}, or "MON-FRI".')


def read_days(value: Any) -> DateRange:
    """Read a date, or "2026-12-24..2026-12-31" with both ends included. Raises OptionError."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value, value
    first, dots, last = value.partition("..") if isinstance(value, str) else ("", "", "")
    try:
        days = date.fromisoformat(first.strip()), date.fromisoformat((last if dots else first).strip())
    except ValueError:
        raise OptionError(f"{value!r} is not a date", hint='Write "2026-12-24" or "2026-12-24..2026-12-31".') from None
    if days[1] < days[0]:
        raise OptionError(f"{value!r} ends before it begins", hint="Write the earlier date first.")
    return days


def read_holidays(value: Any) -> str:
    """Read the code of a country, of a part of one, or of an exchange. Raises OptionError."""
    code = value.strip().upper() if isinstance(value, str) else ""
    if not _CODE.fullmatch(code):
        hint = 'Write a country ("DE"), a part of one ("DE-BY") or an exchange ("NYSE").'
        raise OptionError(f"{value!r} names no holidays", hint=hint)
    return code


def _is_in_ranges(day: date, ranges: tuple[DateRange, ...]) -> bool:
    return any(first <= day <= last for first, last in ranges)


def _add_days(day: date, span: timedelta) -> date:
    return day + span if date.max - day > span else date.max


def _start_of_day(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a day."""
    return instant_of(datetime.combine(day, datetime.min.time()), zone)

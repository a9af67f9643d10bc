"""A second reading of cron lines, written from the rules in docs/how-to/schedules.md and from nothing else: it looks at every minute.

Slow and simple on purpose. It shares no code with what it judges: fields, days and clocks are read again here.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_EPOCH = date(1970, 1, 1)


class Line:
    """One cron line."""

    def __init__(self, text: str) -> None:
        fields = text.split()
        if len(fields) == 5:
            fields = ["0", *fields]
        second, minute, hour, self._day, month, self._weekday = fields
        self.seconds = sorted(_numbers(second, 0, 59))
        self.hour_is_star = hour.startswith("*")
        self.counts_elapsed = self.hour_is_star or minute.startswith("*")
        minutes, hours = _numbers(minute, 0, 59), _numbers(hour, 0, 23)
        self.times = [at // 60 in hours and at % 60 in minutes for at in range(24 * 60)]
        self._months = _numbers(month, 1, 12, _MONTHS)
        self._both = self._day.startswith("*") or self._weekday.startswith("*")
        self.is_dense = sum(self.times) * len(self.seconds) > 20

    def matches(self, day: date) -> bool:
        """Whether it is for this day."""
        if day.month not in self._months:
            return False
        by_day, by_weekday = self._is_day(day), self._is_weekday(day)
        return (by_day and by_weekday) if self._both else (by_day or by_weekday)

    def _is_day(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        for part in self._day.split(","):
            if part == "L":
                found = day.day == last
            elif part == "LW":
                working = [n for n in range(1, last + 1) if date(day.year, day.month, n).weekday() < 5]
                found = day.day == working[-1]
            else:
                found = day.day in _numbers(part, 1, 31)
            if found:
                return True
        return False

    def _is_weekday(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        for part in self._weekday.split(","):
            if "#" in part:
                name, nth = part.split("#")
                found = day.isoweekday() % 7 in _numbers(name, 0, 7, _DAYS) and (day.day + 6) // 7 == int(nth)
            elif part.endswith("L"):
                found = day.isoweekday() % 7 in _numbers(part[:-1], 0, 7, _DAYS) and day.day + 7 > last
            else:
                found = day.isoweekday() % 7 in {number % 7 for number in _numbers(part, 0, 7, _DAYS)}
            if found:
                return True
        return False


class Change:
    """A change of a zone's clocks: from minute `at` (since the epoch, UTC) on the offset is another one; offsets in minutes."""

    def __init__(self, at: int, before: int, after: int) -> None:
        self.at, self.before, self.after = at, before, after

    def __repr__(self) -> str:
        return f"{datetime.fromtimestamp(self.at * 60, UTC):%F %H:%M}Z {self.before:+} to {self.after:+}"

    @property
    def key(self) -> tuple[int, int, int]:
        return self.at, self.before, self.after

    def offset(self, minute: int) -> int:
        return self.before if minute < self.at else self.after


def slots_about(line: Line, change: Change, first: int, last: int) -> list[int]:
    """Return the slots (seconds UTC) of all minutes from first to before last, where no other change is near."""
    found: set[int] = set()
    for minute in range(first, last):
        wall = minute + change.offset(minute)
        if not line.times[wall % 1440] or not _for_day(line, wall // 1440):
            continue
        is_second_time = change.after < change.before and 0 <= minute - change.at < change.before - change.after
        if line.counts_elapsed or not is_second_time:
            found.update(minute * 60 + second for second in line.seconds)
    missing = range(change.at + change.before, change.at + change.after)
    is_missed = any(line.times[wall % 1440] and _for_day(line, wall // 1440) for wall in missing)
    if is_missed and not line.hour_is_star and first <= change.at < last:
        found.add(change.at * 60)
    return sorted(found)


def changes_of(zone: ZoneInfo, first: date, last: date) -> Iterator[Change]:
    """Yield the changes of a zone's clocks, found by looking at each day and then at each minute that is in question."""
    day, before = first, _offset(zone, (first - _EPOCH).days * 1440)
    while day < last:
        begin = (day - _EPOCH).days * 1440
        after = _offset(zone, begin + 1440)
        if after != before:
            low, high = begin, begin + 1440
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            yield Change(high, before, after)
        day, before = day + timedelta(days=1), after


def _offset(zone: ZoneInfo, minute: int) -> int:
    offset = datetime.fromtimestamp(minute * 60, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


@cache
def _for_day(line: Line, day: int) -> bool:
    return line.matches(_EPOCH + timedelta(days=day))


def _numbers(field: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
    """Return the numbers that a field of plain forms means."""
    found: set[int] = set()
    for part in field.upper().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        elif "-" in span:
            begin, end = (_number(word, low, names) for word in span.split("-"))
        else:
            begin = _number(span, low, names)
            end = high if step else begin
        found.update(range(begin, end + 1, int(step or "1")))
    return found


def _number(word: str, low: int, names: list[str] | None) -> int:
    return names.index(word) + low if names and word in names else int(word)

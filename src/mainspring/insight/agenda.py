"""The next seven days: when each automation starts, how long it will take as far as its past tells, and where that is too much. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.cron import instant_of, to_local, zone_of
from mainspring.domain.schedule import Schedule, jitter_of
from mainspring.domain.simulation import ClockChange, change_on

DAYS: Final = 7
HOUR_MS: Final = 3_600_000
SPAN_MS: Final = DAYS * 24 * HOUR_MS
_ONE_DAY = timedelta(days=1)
_MOST_STARTS = 200
"""Of one schedule; what starts more often is told as a band, and counted by how often it starts at first."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; `name` is the one under which it was announced, which its jitter depends on. `from_at` = it is paused until then."""

    name: str
    automation: str
    schedule: Schedule
    jitter: timedelta | None = None
    overlap: str = "skip"
    paused: bool = False
    from_at: int = 0


class Start(msgspec.Struct, frozen=True):
    """One start; `is_crowded` = the one before will not have ended, as far as its usual length tells."""

    start_at: int
    end_at: int
    is_crowded: bool


class ClockDay(msgspec.Struct, frozen=True):
    """A day whose clocks change, in a zone; it begins at `begin_at`."""

    begin_at: int
    end_at: int
    zone: str
    change: ClockChange


class AgendaLine(msgspec.Struct, frozen=True, kw_only=True):
    """One automation. `count` = its starts in the seven days, `is_about` = counted by its first ones; `took_ms` None = it has no past.

    `often_from_at` = from then on it starts too often to be drawn one by one. `crowded` = starts that find the one before still going on.
    """

    automation: str
    words: tuple[str, ...]
    zone: str
    next_at: int | None
    count: int
    is_about: bool
    took_ms: int | None
    starts: tuple[Start, ...]
    often_from_at: int | None
    crowded: int
    overlap: str
    paused: bool
    clock_days: tuple[ClockDay, ...]


class Agenda(msgspec.Struct, frozen=True, kw_only=True):
    """`hours` = starts of each of the 168 hours; `lines` = the busiest first: those that take most time, then those that start most."""

    from_at: int
    until_at: int
    hours: tuple[int, ...]
    lines: tuple[AgendaLine, ...]


def agenda_of(planned: Iterable[Planned], took: Mapping[str, int], now: int) -> Agenda:
    """Return what starts from `now` on; `took` = how long (ms) each automation usually takes."""
    from_at = now - now % HOUR_MS
    until_at = from_at + SPAN_MS
    hours = [0] * (SPAN_MS // HOUR_MS)
    by_automation: dict[str, list[Planned]] = {}
    for one in planned:
        by_automation.setdefault(one.automation, []).append(one)
    lines = [_line(found, took.get(name), now, until_at, hours) for name, found in by_automation.items()]
    lines.sort(key=lambda one: (one.paused, -one.count * (one.took_ms or 0), -one.count, one.automation))
    return Agenda(from_at=from_at, until_at=until_at, hours=tuple(hours), lines=tuple(lines))


def clock_days(zone: str, from_at: int, until_at: int) -> tuple[ClockDay, ...]:
    """Return the days of a range on which the clocks of a zone change."""
    return tuple(
        ClockDay(begin, end, zone, change)
        for begin, end, change in _days(zone, from_at, until_at)
        if change is not ClockChange.NONE
    )


def day_starts(zone: str, from_at: int, until_at: int) -> list[int]:
    """Return when each day of a zone begins that begins in a range."""
    return [begin for begin, _, _ in _days(zone, from_at, until_at) if begin >= from_at]


def _line(found: list[Planned], took: int | None, now: int, until_at: int, hours: list[int]) -> AgendaLine:
    count, is_about, starts, often_from_at = 0, False, [], None
    is_paused = found[0].paused
    for one in found if not is_paused else ():
        slots = _slots(one.schedule, now - now % HOUR_MS - 1, until_at - 1)
        is_whole, begin = len(slots) <= _MOST_STARTS, max(now, one.from_at)
        times = [slot + jitter_of(one.name, slot, one.jitter) for slot in slots[:_MOST_STARTS] if slot >= begin]
        counted = _counted(times, until_at, hours, is_whole=is_whole)
        count, is_about = count + counted, is_about or not is_whole
        if is_whole:
            starts += times
        elif times:
            often_from_at = min(times[0], often_from_at or times[0])
    drawn = _drawn(sorted(starts), took or 0, are_skipped=found[0].overlap == "skip")
    nexts = [one.start_at for one in drawn[:1]] + ([often_from_at] if often_from_at is not None else [])
    zone = found[0].schedule.tz
    return AgendaLine(
        automation=found[0].automation,
        words=tuple(one.schedule.describe() for one in found),
        zone=zone,
        next_at=min(nexts, default=None),
        count=count,
        is_about=is_about,
        took_ms=took,
        starts=drawn,
        often_from_at=often_from_at,
        crowded=sum(one.is_crowded for one in drawn),
        overlap=found[0].overlap,
        paused=is_paused,
        clock_days=clock_days(zone, now, until_at),
    )


def _counted(times: list[int], until_at: int, hours: list[int], *, is_whole: bool) -> int:
    """Add starts to the hours in which they are, and return how many there are; what was cut off goes on as it began."""
    first = until_at - SPAN_MS
    for at in times:
        if at < until_at:
            hours[(at - first) // HOUR_MS] += 1
    if is_whole or len(times) < 2:
        return len(times)
    pace = (times[-1] - times[0]) / (len(times) - 1)
    following = (times[-1] - first) // HOUR_MS + 1
    for hour in range(following, len(hours)):
        hours[hour] += round(HOUR_MS / pace)
    return len(times) + round((until_at - times[-1]) / pace)


def _drawn(times: list[int], took: int, *, are_skipped: bool) -> tuple[Start, ...]:
    """Return starts with their ends; `are_skipped` = one that finds the one before still going on does not run."""
    found, busy_until = [], 0
    for at in times:
        is_crowded = at < busy_until
        end_at = at if is_crowded and are_skipped else at + took
        found.append(Start(at, end_at, is_crowded))
        busy_until = max(busy_until, end_at)
    return tuple(found)


@lru_cache(maxsize=1_024)  # the window moves once an hour, and a page asks each second
def _slots(schedule: Schedule, after: int, until: int) -> tuple[int, ...]:
    return tuple(schedule.slots_between(after, until, _MOST_STARTS + 1))


@lru_cache(maxsize=256)
def _days(zone: str, from_at: int, until_at: int) -> tuple[tuple[int, int, ClockChange], ...]:
    """Return (begin, end, what the clocks do) of each day that lies in a range, in part or whole."""
    where: ZoneInfo = zone_of(zone)
    day = to_local(from_at, where).date()
    found = []
    begin = instant_of(datetime.combine(day, datetime.min.time()), where)
    while begin < until_at:
        end = instant_of(datetime.combine(day + _ONE_DAY, datetime.min.time()), where)
        found.append((begin, end, change_on(day, where)))
        day, begin = day + _ONE_DAY, end
    return tuple(found)

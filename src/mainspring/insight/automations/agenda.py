"""The agenda of the next seven days: when each automation starts, how long it usually takes, and where starts are too crowded. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.time.cron import find_zone, instant_of, to_local
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.schedule_preview import ClockChange, find_clock_change

DAYS: Final = 7
HOUR_MS: Final = 3_600_000
SPAN_MS: Final = DAYS * 24 * HOUR_MS
_ONE_DAY = timedelta(days=1)
_MOST_STARTS = 200
"""Most starts of one schedule. More frequent starts are shown as a band, and counted from the first ones."""


class PlannedSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; `name` is its announced name, on which its jitter depends. `from_at` = it is paused until then."""

    name: str
    automation: str
    schedule: Schedule
    jitter: timedelta | None = None
    overlap: str = "skip"
    paused: bool = False
    from_at: int = 0


class AgendaStart(msgspec.Struct, frozen=True):
    """One start; `is_crowded` = the previous one will not have ended, by its usual duration."""

    start_at: int
    end_at: int
    is_crowded: bool


class ClockDay(msgspec.Struct, frozen=True):
    """A day whose clocks change, in a zone; it starts at `begin_at`."""

    begin_at: int
    end_at: int
    zone: str
    change: ClockChange


class AgendaLine(msgspec.Struct, frozen=True, kw_only=True):
    """One automation. `count` = its starts in seven days, `is_about` = estimated from the first ones; `took_ms` None = it has no past.

    `starts` = the first of them; `often_from_at` = from then on it starts too often to show each start. `crowded` = starts before the end
    of the previous one.
    """

    automation: str
    words: tuple[str, ...]
    zone: str
    next_at: int | None
    count: int
    is_about: bool
    took_ms: int | None
    starts: tuple[AgendaStart, ...]
    often_from_at: int | None
    crowded: int
    overlap: str
    paused: bool
    clock_days: tuple[ClockDay, ...]


class Agenda(msgspec.Struct, frozen=True, kw_only=True):
    """`hours` = starts of each of the 168 hours, `count` = of all of them, by this number of `automations`.

    `is_about` = estimated from the first ones. `lines` = the busiest automations: those that take most time, then those that start most.
    """

    from_at: int
    until_at: int
    hours: tuple[int, ...]
    count: int
    is_about: bool
    automations: int
    lines: tuple[AgendaLine, ...]


class _StartTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The start times of an automation; `count` includes those that are too frequent to list."""

    planned: list[PlannedSchedule]
    times: list[int]
    often_from_at: int | None
    count: int
    is_about: bool


def build_agenda(
    planned: Iterable[PlannedSchedule],
    usual_durations: Mapping[str, int],
    now: int,
    *,
    lines: int | None = None,
    starts: int | None = None,
) -> Agenda:
    """Return the starts from `now` on; `usual_durations` = the usual duration (ms) of each automation.

    `lines` = most automations to list, `starts` = most starts of each; None = all.
    """
    from_at = now - now % HOUR_MS
    until_at = from_at + SPAN_MS
    hours = [0] * (SPAN_MS // HOUR_MS)
    by_automation: dict[str, list[PlannedSchedule]] = {}
    for plan in planned:
        by_automation.setdefault(plan.automation, []).append(plan)
    found = {name: _list_start_times(plans, now, until_at, hours) for name, plans in by_automation.items()}
    busiest = sorted(found, key=lambda name: _order_key(name, found[name], usual_durations.get(name, 0)))
    return Agenda(
        from_at=from_at,
        until_at=until_at,
        hours=tuple(hours),
        count=sum(start_times.count for start_times in found.values()),
        is_about=any(start_times.is_about for start_times in found.values()),
        automations=len(found),
        lines=tuple(
            _build_line(found[name], usual_durations.get(name), now, until_at, starts) for name in busiest[:lines]
        ),
    )


def _order_key(name: str, found: _StartTimes, duration: int) -> tuple[bool, int, int, str]:
    return found.planned[0].paused, -found.count * duration, -found.count, name


def list_clock_changes(zone: str, from_at: int, until_at: int) -> tuple[ClockDay, ...]:
    """Return the days of a range on which the clocks of a zone change."""
    return tuple(
        ClockDay(begin, end, zone, change)
        for begin, end, change in _list_days(zone, from_at, until_at)
        if change is not ClockChange.NONE
    )


def list_day_starts(zone: str, from_at: int, until_at: int) -> list[int]:
    """Return when each day of a zone starts, of the days that start in a range."""
    return [begin for begin, _, _ in _list_days(zone, from_at, until_at) if begin >= from_at]


def _list_start_times(planned: list[PlannedSchedule], now: int, until_at: int, hours: list[int]) -> _StartTimes:
    count, is_about, found, often_from_at = 0, False, [], None
    for plan in planned if not planned[0].paused else ():
        slots = _list_slots(plan.schedule, now - now % HOUR_MS - 1, until_at - 1)
        is_whole, begin = len(slots) <= _MOST_STARTS, max(now, plan.from_at)
        times = [slot for slot in slots[:_MOST_STARTS] if slot >= begin]
        if plan.jitter is not None:
            times = [slot + compute_jitter(plan.name, slot, plan.jitter) for slot in times]
        count += _count_starts(times, until_at, hours, is_whole=is_whole)
        is_about = is_about or not is_whole
        if is_whole:
            found += times
        elif times:
            often_from_at = min(times[0], often_from_at or times[0])
    return _StartTimes(
        planned=planned, times=sorted(found), often_from_at=often_from_at, count=count, is_about=is_about
    )


def _build_line(found: _StartTimes, usual_ms: int | None, now: int, until_at: int, starts: int | None) -> AgendaLine:
    first = found.planned[0]
    agenda_starts = _starts_with_ends(found.times, usual_ms or 0, are_skipped=first.overlap == "skip")
    next_starts = [start.start_at for start in agenda_starts[:1]] + (
        [found.often_from_at] if found.often_from_at is not None else []
    )
    return AgendaLine(
        automation=first.automation,
        words=tuple(plan.schedule.describe() for plan in found.planned),
        zone=first.schedule.tz,
        next_at=min(next_starts, default=None),
        count=found.count,
        is_about=found.is_about,
        took_ms=usual_ms,
        starts=agenda_starts[:starts],
        often_from_at=found.often_from_at,
        crowded=sum(start.is_crowded for start in agenda_starts),
        overlap=first.overlap,
        paused=first.paused,
        clock_days=list_clock_changes(first.schedule.tz, now, until_at),
    )


def _count_starts(times: list[int], until_at: int, hours: list[int], *, is_whole: bool) -> int:
    """Add starts to their hours and return their number; the cut-off rest is estimated from the first ones."""
    first = until_at - SPAN_MS
    for start_at in times:
        if start_at < until_at:
            hours[(start_at - first) // HOUR_MS] += 1
    if is_whole or len(times) < 2:
        return len(times)
    interval_ms = (times[-1] - times[0]) / (len(times) - 1)
    following = (times[-1] - first) // HOUR_MS + 1
    for hour in range(following, len(hours)):
        hours[hour] += round(HOUR_MS / interval_ms)
    return len(times) + round((until_at - times[-1]) / interval_ms)


def _starts_with_ends(times: list[int], usual_ms: int, *, are_skipped: bool) -> tuple[AgendaStart, ...]:
    """Return starts with their ends; `are_skipped` = a start before the end of the previous one does not run."""
    found, busy_until = [], 0
    for start_at in times:
        is_crowded = start_at < busy_until
        end_at = start_at if is_crowded and are_skipped else start_at + usual_ms
        found.append(AgendaStart(start_at, end_at, is_crowded))
        busy_until = max(busy_until, end_at)
    return tuple(found)


@lru_cache(maxsize=1_024)  # the window moves once an hour, and a page reads it each second
def _list_slots(schedule: Schedule, after: int, until: int) -> tuple[int, ...]:
    return tuple(schedule.slots_between(after, until, _MOST_STARTS + 1))


@lru_cache(maxsize=256)
def _list_days(zone: str, from_at: int, until_at: int) -> tuple[tuple[int, int, ClockChange], ...]:
    """Return (start, end, change of the clocks) of each day that lies in a range, in part or whole."""
    zone_info: ZoneInfo = find_zone(zone)
    day = to_local(from_at, zone_info).date()
    found = []
    begin = instant_of(datetime.combine(day, datetime.min.time()), zone_info)
    while begin < until_at:
        end = instant_of(datetime.combine(day + _ONE_DAY, datetime.min.time()), zone_info)
        found.append((begin, end, find_clock_change(day, zone_info)))
        day, begin = day + _ONE_DAY, end
    return tuple(found)

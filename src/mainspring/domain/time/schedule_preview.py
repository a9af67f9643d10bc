"""Schedule preview between two instants: slots with their starts, times that a calendar skips or moves, days on which clocks change.

A pure function of the schedule; no run is created.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.time.cron import find_zone, instant_of
from mainspring.domain.time.schedule import Schedule, compute_jitter

_ONE_DAY = timedelta(days=1)


class ClockChange(StrEnum):
    """The change of a zone's clocks on a day."""

    NONE = ""
    FORWARD = "clocks go forward"
    BACK = "clocks go back"


class PreviewSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One time of a schedule. `slot_at` None = its day is closed, so it has no slot; `moved_to` = the day of its slot instead."""

    due_at: int
    slot_at: int | None
    starts_at: int | None
    change: ClockChange
    moved_to: date | None = None


def preview_schedule(
    schedule: Schedule, name: str, first_at: int, end_at: int, *, jitter: timedelta | None = None, limit: int = 1000
) -> list[PreviewSlot]:
    """Return the times from `first_at` to before `end_at`, oldest first, at most `limit` slots and as many closed times.

    `name` is the schedule's as it is announced, on which the jitter of its slots depends.
    """
    zone = find_zone(schedule.tz)
    open_times = [
        PreviewSlot(
            due_at=slot,
            slot_at=slot,
            starts_at=slot + compute_jitter(name, slot, jitter),
            change=find_clock_change(schedule.local(slot).date(), zone),
        )
        for slot in schedule.slots_between(first_at - 1, end_at - 1, limit)
    ]
    return sorted(
        [*open_times, *_find_closed(schedule, first_at, end_at, limit)],
        key=lambda slot: (slot.due_at, slot.slot_at is None),
    )


def find_clock_change(day: date, zone: ZoneInfo) -> ClockChange:
    """Return the change of the clocks on a day."""
    start, end = (datetime.combine(start_day, datetime.min.time()) for start_day in (day, day + _ONE_DAY))
    length = timedelta(milliseconds=instant_of(end, zone) - instant_of(start, zone))
    if length == _ONE_DAY:
        return ClockChange.NONE
    return ClockChange.FORWARD if length < _ONE_DAY else ClockChange.BACK


def _find_closed(schedule: Schedule, first_at: int, end_at: int, limit: int) -> list[PreviewSlot]:
    """Return the times that fall on closed days."""
    calendar, zone = schedule.calendar, find_zone(schedule.tz)
    closed_times: list[PreviewSlot] = []
    at = schedule.bare_next_after(first_at - 1) if calendar is not None else None
    while calendar is not None and at is not None and at < end_at and len(closed_times) < limit:
        day = schedule.local(at).date()
        if not calendar.is_open(day):
            moves = calendar.on_closed == "next" and schedule.has_time_of_day
            moved = calendar.open_from(day) if moves else None
            closed_times.append(
                PreviewSlot(
                    due_at=at, slot_at=None, starts_at=None, change=find_clock_change(day, zone), moved_to=moved
                )
            )
        at = schedule.bare_next_after(at)
    return closed_times

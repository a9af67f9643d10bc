"""Due times of an automation: those to come, and those that were, beside what came. Computed from its schedules, in their own zones."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.states import RunState
from mainspring.domain.time.cron import find_zone
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.schedule_preview import ClockChange, find_clock_change
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.views import AutomationView, SlotView

FAR_MS = 100 * 366 * 86_400_000
_EARLY_MS = 60_000
"""A run that begins so shortly before a due time is of that: clocks of foreign schedulers differ."""


class DueTime(msgspec.Struct, frozen=True, kw_only=True):
    """One to come. `starts_at` = with its jitter; `local` = on the clock of its `zone`, where clocks may `change` on its day."""

    schedule: str
    slot_at: int
    starts_at: int
    local: str
    zone: str
    change: ClockChange


class PastDueTime(msgspec.Struct, frozen=True, kw_only=True):
    """One that was due. `run` = the one that began for it and how it stands; `came_at` = when it succeeded; `note` = why none was made."""

    schedule: str
    due_at: int
    run: str | None = None
    state: RunState | None = None
    came_at: int | None = None
    note: str | None = None


def list_schedules(definition: Definition | None) -> list[tuple[str, Schedule]]:
    """Return the schedules of an automation with the names under which they are announced."""
    schedules = definition.schedules if definition is not None else ()
    several = len(schedules) > 1
    return [
        (f"{definition.name}#{number}" if several else definition.name, one)
        for number, one in enumerate(schedules, 1)
        if definition is not None
    ]


def schedules_run_from(view: AutomationView, now: int) -> int | None:
    """Return from when on its schedules make runs: now, the end of its pause, None = not before somebody acts."""
    if view.retired_at is not None or view.problem:
        return None
    if is_paused(view, now):
        return view.paused_until
    return now


def list_next_due_times(definition: Definition | None, start: int | None, count: int) -> list[DueTime]:
    """Return the next due times of all its schedules after `start`, earliest first, at most `count`."""
    if definition is None or start is None:
        return []
    jitter = definition.span("jitter")
    found = [
        DueTime(
            schedule=name,
            slot_at=slot,
            starts_at=slot + compute_jitter(name, slot, jitter),
            local=schedule.local(slot).strftime("%a %Y-%m-%d %H:%M:%S %Z"),
            zone=schedule.tz,
            change=find_clock_change(schedule.local(slot).date(), find_zone(schedule.tz)),
        )
        for name, schedule in list_schedules(definition)
        for slot in schedule.slots_between(start, start + FAR_MS, limit=count)
    ]
    return sorted(found, key=lambda one: one.slot_at)[:count]


def list_past_due_times(
    definition: Definition | None,
    runs: Sequence[RunMark],
    slots: Iterable[SlotView],
    pauses: Iterable[tuple[int, int | None]],
    from_at: int,
    now: int,
    count: int,
) -> list[PastDueTime]:
    """Return the newest due times after `from_at`, oldest first, at most `count`, each with the first run that began for it.

    A run of a slot belongs to that; any other to the due time before it. `slots` = what is on record, `pauses` = from when to when it was
    paused: then nothing was to come.
    """
    dues = sorted(
        (due_at, name)
        for name, schedule in list_schedules(definition)
        for due_at in schedule.newest_between(from_at, now, count)
    )[-count:]
    times = [due_at for due_at, _ in dues]
    by_place: dict[int, list[RunMark]] = {}
    for one in reversed(runs):
        begun_at = one.slot_at if one.slot_at is not None else (one.started_at or one.created_at) + _EARLY_MS
        place = bisect_right(times, begun_at) - 1
        if place >= 0:
            by_place.setdefault(place, []).append(one)
    notes = {(one.schedule, one.slot_at): _describe_slot(one) for one in slots}
    off = [(begin, now if end is None else end) for begin, end in pauses]
    return [
        _build_past(name, due_at, by_place.get(place, []), notes.get((name, due_at)) or _describe_pause(due_at, off))
        for place, (due_at, name) in enumerate(dues)
    ]


def _build_past(name: str, due_at: int, runs: list[RunMark], note: str | None) -> PastDueTime:
    good = next((one for one in runs if one.state is RunState.SUCCEEDED), None)
    shown = good or (runs[-1] if runs else None)
    return PastDueTime(
        schedule=name,
        due_at=due_at,
        run=shown.run if shown is not None else None,
        state=shown.state if shown is not None else None,
        came_at=good.finished_at if good is not None else None,
        note=note,
    )


def _describe_pause(due_at: int, pauses: Iterable[tuple[int, int]]) -> str | None:
    return "paused" if any(begin <= due_at <= end for begin, end in pauses) else None


def _describe_slot(slot: SlotView) -> str | None:
    """Return why a slot made no run; None where it made one."""
    return None if slot.verdict == SlotVerdict.RUN else f"{slot.verdict}: {slot.note or '-'}"

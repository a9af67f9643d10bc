"""Due times of an automation: future ones, and past ones with the runs for them. Computed from its schedules, in their own zones."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.definitions.schedule_options import resolve_policies
from mainspring.domain.duration import parse_duration
from mainspring.domain.states import RunState
from mainspring.domain.time.cron import find_zone
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.schedule_preview import ClockChange, find_clock_change
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.schema.triggers.schedules import CreatedSchedule, decode_schedule
from mainspring.store.views import AutomationView, SlotView

FAR_MS = 100 * 366 * 86_400_000
_EARLY_MS = 60_000
"""A run that starts up to this long before a due time belongs to it: clocks of foreign schedulers differ."""


class DueTime(msgspec.Struct, frozen=True, kw_only=True):
    """A future due time. `starts_at` = with its jitter; `local` = on the clock of its `zone`, where clocks may `change` on its day."""

    schedule: str
    slot_at: int
    starts_at: int
    local: str
    zone: str
    change: ClockChange


class PastDueTime(msgspec.Struct, frozen=True, kw_only=True):
    """A past due time. `run` = its run and the state of that; `came_at` = when it succeeded; `note` = why there is no run."""

    schedule: str
    due_at: int
    run: str | None = None
    state: RunState | None = None
    came_at: int | None = None
    note: str | None = None


class NamedSchedule(msgspec.Struct, frozen=True):
    """A schedule of an automation, with its stored name and the jitter of its starts. `since_at` = it has no due times before."""

    name: str
    schedule: Schedule
    jitter: timedelta | None = None
    since_at: int = 0


def list_schedules(definition: Definition | None, created: Iterable[CreatedSchedule] = ()) -> list[NamedSchedule]:
    """Return the schedules of an automation: those in code with their announced names, then the `created` ones that are not paused."""
    if definition is None:
        return []
    is_numbered, jitter = len(definition.schedules) > 1, definition.span("jitter")
    declared = [
        NamedSchedule(f"{definition.name}#{number}" if is_numbered else definition.name, schedule, jitter)
        for number, schedule in enumerate(definition.schedules, 1)
    ]
    return [
        *declared,
        *(
            NamedSchedule(row.name, decode_schedule(row.spec), _find_jitter(row, definition), row.low_water_at)
            for row in created
            if row.paused_at is None and row.automation == definition.name
        ),
    ]


def _find_jitter(row: CreatedSchedule, definition: Definition) -> timedelta | None:
    jitter = resolve_policies(row.options, definition.options)["jitter"]
    return None if jitter is None else parse_duration(jitter)


def schedules_run_from(view: AutomationView, now: int) -> int | None:
    """Return from when its schedules make runs: now, the end of its pause, None = not before a person acts."""
    if view.retired_at is not None or view.problem:
        return None
    if is_paused(view, now):
        return view.paused_until
    return now


def list_next_due_times(schedules: Iterable[NamedSchedule], start: int | None, count: int) -> list[DueTime]:
    """Return the next due times of schedules after `start`, earliest first, at most `count`."""
    if start is None:
        return []
    found = [
        DueTime(
            schedule=named.name,
            slot_at=slot,
            starts_at=slot + compute_jitter(named.name, slot, named.jitter),
            local=named.schedule.local(slot).strftime("%a %Y-%m-%d %H:%M:%S %Z"),
            zone=named.schedule.tz,
            change=find_clock_change(named.schedule.local(slot).date(), find_zone(named.schedule.tz)),
        )
        for named in schedules
        for slot in named.schedule.slots_between(start, start + FAR_MS, limit=count)
    ]
    return sorted(found, key=lambda due_time: due_time.slot_at)[:count]


def list_past_due_times(
    schedules: Iterable[NamedSchedule],
    runs: Sequence[RunMark],
    slots: Iterable[SlotView],
    pauses: Iterable[tuple[int, int | None]],
    from_at: int,
    now: int,
    count: int,
) -> list[PastDueTime]:
    """Return the newest due times after `from_at`, oldest first, at most `count`, each with the first run for it.

    A run of a slot belongs to that slot; any other run to the due time before it. `slots` = the recorded slots. `pauses` = when it was
    paused: then nothing was due.
    """
    dues = sorted(
        (due_at, named.name)
        for named in schedules
        for due_at in named.schedule.newest_between(max(from_at, named.since_at), now, count)
    )[-count:]
    times = [due_at for due_at, _ in dues]
    runs_by_place: dict[int, list[RunMark]] = {}
    for run in reversed(runs):
        started_at = run.slot_at if run.slot_at is not None else (run.started_at or run.created_at) + _EARLY_MS
        place = bisect_right(times, started_at) - 1
        if place >= 0:
            runs_by_place.setdefault(place, []).append(run)
    notes = {(slot.schedule, slot.slot_at): _describe_slot(slot) for slot in slots}
    paused_spans = [(begin, now if end is None else end) for begin, end in pauses]
    return [
        _build_past(
            name,
            due_at,
            runs_by_place.get(place, []),
            notes.get((name, due_at)) or _describe_pause(due_at, paused_spans),
        )
        for place, (due_at, name) in enumerate(dues)
    ]


def _build_past(name: str, due_at: int, runs: list[RunMark], note: str | None) -> PastDueTime:
    good = next((run for run in runs if run.state is RunState.SUCCEEDED), None)
    displayed = good or (runs[-1] if runs else None)
    return PastDueTime(
        schedule=name,
        due_at=due_at,
        run=displayed.run if displayed is not None else None,
        state=displayed.state if displayed is not None else None,
        came_at=good.finished_at if good is not None else None,
        note=note,
    )


def _describe_pause(due_at: int, pauses: Iterable[tuple[int, int]]) -> str | None:
    return "paused" if any(begin <= due_at <= end for begin, end in pauses) else None


def _describe_slot(slot: SlotView) -> str | None:
    """Return why a slot made no run; None if it made one."""
    return None if slot.verdict == SlotVerdict.RUN else f"{slot.verdict}: {slot.note or '-'}"

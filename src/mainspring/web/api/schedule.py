"""What starts in the next seven days, and what did not start in time in the last."""

from typing import Any

import msgspec

from mainspring.domain.duration import parse_duration
from mainspring.domain.options import OPTIONS
from mainspring.domain.schedule import Schedule
from mainspring.insight.agenda import Agenda, Planned, agenda_of
from mainspring.store.reads.agenda import PlannedStart, irregular_slots, planned_starts, usual_lengths
from mainspring.store.views import SlotView
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import Call
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Page

MOST = 200
"""Schedules that are looked at: those that are due soonest."""
_NEWEST_ENDS = 15
_DAY_MS = 86_400_000
_MOST_SLOTS = 100


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of automations whose name holds this text."""

    name: Word | None = None


class AgendaShown(msgspec.Struct, frozen=True):
    """The next seven days of the 200 schedules that are due soonest; `more` = there are others."""

    agenda: Agenda
    more: bool


class _Told(msgspec.Struct, frozen=True):
    options: dict[str, Any] = {}


def shown(call: Call[ScheduleQuery, None]) -> AgendaShown:
    """Show when what starts in the next seven days, and how long it will take as far as its past tells."""
    found = _planned(call)
    now = call.site.clock.now()
    took = usual_lengths(call.site.reader, sorted({one.automation for one in found[:MOST]}), _NEWEST_ENDS)
    return AgendaShown(agenda_of([_plan(one, now) for one in found[:MOST]], took, now), len(found) > MOST)


def irregular(call: Call[ScheduleQuery, None]) -> Page[SlotView]:
    """List due times of the last day that had no run in time: missed, skipped, made up for; at most 100, newest first."""
    since_at = call.site.clock.now() - _DAY_MS
    names = [one.name for one in _planned(call)[:MOST]]
    return Page(irregular_slots(call.site.reader, names, since_at, _MOST_SLOTS))


def _planned(call: Call[ScheduleQuery, None]) -> list[PlannedStart]:
    return planned_starts(call.site.reader, name=call.query.name, automations=call.automations(), limit=MOST + 1)


def _plan(one: PlannedStart, now: int) -> Planned:
    options = msgspec.json.decode(one.definition, type=_Told).options
    jitter, until_at = options.get("jitter"), one.paused_until or 0
    return Planned(
        name=one.name,
        automation=one.automation,
        schedule=Schedule.from_data(msgspec.json.decode(one.spec)),
        jitter=parse_duration(jitter) if jitter else None,
        overlap=options.get("overlap", OPTIONS["overlap"].default),
        paused=one.paused_at is not None and one.paused_until is None,
        from_at=until_at if one.paused_at is not None and until_at > now else 0,
    )


ROUTES = (
    reads("/schedule", shown, AgendaShown, query=ScheduleQuery),
    reads("/schedule/irregular", irregular, Page[SlotView], query=ScheduleQuery),
)

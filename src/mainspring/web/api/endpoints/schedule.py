"""The schedule: starts of the next seven days, and due times of the last day without a run in time."""

from typing import Annotated, Any

import msgspec

from mainspring.domain.definitions.schedule_options import resolve_policies
from mainspring.domain.duration import parse_duration
from mainspring.domain.time.schedule import Schedule
from mainspring.insight.automations.agenda import Agenda, PlannedSchedule, build_agenda
from mainspring.store.read.automations.agenda import (
    PlannedStart,
    irregular_slots,
    planned_page,
    planned_starts,
    usual_lengths,
)
from mainspring.store.views import SlotView
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route

MOST = 200
"""Schedules on one page: those that are due soonest."""
_NEWEST_ENDS = 7
_STARTS = 24
_DAY_MS = 86_400_000
_MOST_SLOTS = 100


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of automations: names that contain this text."""

    name: Word | None = None


class AgendaQuery(ScheduleQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the list, by name: at most `limit` automations after `cursor`, which is the `next` of the part before."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    cursor: Word | None = None


class AgendaPage(msgspec.Struct, frozen=True):
    """The next seven days of some automations; `next` = where the following part begins."""

    agenda: Agenda
    next: str | None


class SoonestAgenda(msgspec.Struct, frozen=True):
    """The next seven days of the 200 schedules that are due soonest; `more` = there are others. `irregular` = their `irregular`."""

    agenda: Agenda
    more: bool
    irregular: list[SlotView]


class _ScheduleOptions(msgspec.Struct, frozen=True):
    options: dict[str, Any] = {}


def show_agenda(call: ApiCall[AgendaQuery, None]) -> AgendaPage:
    """Show the starts of the next seven days, with estimated durations; of each automation the first 24 starts."""
    query = call.query
    planned = planned_page(
        call.site.reader,
        name=query.name,
        automations=call.automations(),
        after=query.cursor or "",
        limit=query.limit + 1,
    )
    names = list(dict.fromkeys(start.automation for start in planned))
    listed = names[: query.limit]
    agenda = _build_agenda(call, [start for start in planned if start.automation in set(listed)], starts=_STARTS)
    return AgendaPage(agenda, listed[-1] if len(names) > query.limit else None)


def show_soonest(
    call: ApiCall[ScheduleQuery, None], *, lines: int | None = None, starts: int | None = None
) -> SoonestAgenda:
    """Return the agenda of the schedules that are due soonest; `lines` and `starts` are those of insight.agenda."""
    planned = _read_planned(call)
    agenda = _build_agenda(call, planned[:MOST], lines=lines, starts=starts)
    return SoonestAgenda(agenda, len(planned) > MOST, _read_irregular(call, planned))


def list_irregular(call: ApiCall[ScheduleQuery, None]) -> Page[SlotView]:
    """List due times of the last day without a run in time: missed, skipped, caught up; at most 100, newest first."""
    return Page(_read_irregular(call, _read_planned(call)))


def _read_irregular(call: ApiCall[ScheduleQuery, None], planned: list[PlannedStart]) -> list[SlotView]:
    since_at = call.site.clock.now() - _DAY_MS
    return irregular_slots(call.site.reader, [start.name for start in planned[:MOST]], since_at, _MOST_SLOTS)


def _build_agenda(
    call: AnyApiCall, planned: list[PlannedStart], *, lines: int | None = None, starts: int | None = None
) -> Agenda:
    now = call.site.clock.now()
    durations = usual_lengths(call.site.reader, sorted({start.automation for start in planned}), _NEWEST_ENDS)
    return build_agenda([_plan_schedule(start, now) for start in planned], durations, now, lines=lines, starts=starts)


def _read_planned(call: ApiCall[ScheduleQuery, None]) -> list[PlannedStart]:
    return planned_starts(call.site.reader, name=call.query.name, automations=call.automations(), limit=MOST + 1)


def _plan_schedule(planned: PlannedStart, now: int) -> PlannedSchedule:
    own = {} if planned.options is None else msgspec.json.decode(planned.options)
    policies = resolve_policies(own, msgspec.json.decode(planned.definition, type=_ScheduleOptions).options)
    jitter, until_at = policies["jitter"], planned.paused_until or 0
    return PlannedSchedule(
        name=planned.name,
        automation=planned.automation,
        schedule=Schedule.from_data(msgspec.json.decode(planned.spec)),
        jitter=parse_duration(jitter) if jitter else None,
        overlap=policies["overlap"],
        paused=planned.paused_at is not None and planned.paused_until is None,
        from_at=until_at if planned.paused_at is not None and until_at > now else 0,
    )


ROUTES = (
    get_route("schedule.shown", "/schedule", show_agenda, AgendaPage, query=AgendaQuery),
    get_route("schedule.irregular", "/schedule/irregular", list_irregular, Page[SlotView], query=ScheduleQuery),
)

"""`/schedule`: the starts of the next seven days, and the due times of the last day without a run in time."""

from collections.abc import Iterator
from typing import Final

from mainspring.insight.automations.agenda import AgendaLine, list_clock_changes
from mainspring.insight.text.formatting import format_span
from mainspring.store.views import SlotView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import schedule
from mainspring.web.api.endpoints.schedule import MOST, ScheduleQuery
from mainspring.web.dashboard.charts.week_timeline import (
    HEIGHT,
    WIDTH,
    draw_band,
    draw_day_marks,
    draw_hours,
    draw_line,
    find_busiest_hour,
)
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call

MAX_LINES: Final = 25
"""Displayed automations, the busiest first; the export contains all that were read, with the first starts of each."""
_STARTS: Final = 24


def show(call: ApiCall[ScheduleQuery, Form | None]) -> PageView:
    """Show the days."""
    soonest = schedule.show_soonest(api_call(call), lines=MAX_LINES)
    agenda, zone = soonest.agenda, call.site.settings.project.timezone
    changes = [draw_band(agenda, day) for day in list_clock_changes(zone, agenda.from_at, agenda.until_at)]
    busiest_at, starts_count = find_busiest_hour(agenda)
    return PageView(
        "Schedule",
        {
            "agenda": agenda,
            "lines": [draw_line(agenda, line) for line in agenda.lines],
            "undrawn": agenda.automations - len(agenda.lines),
            "more": soonest.more,
            "most_schedules": MOST,
            "zone": zone,
            "marks": draw_day_marks(agenda, zone),
            "changes": changes,
            "hours": draw_hours(agenda),
            "busiest": {"at": busiest_at, "starts": starts_count},
            "irregular": [(slot, _describe_slot(slot)) for slot in soonest.irregular],
            "name_filter": call.query.name or "",
            "size": {"width": WIDTH, "height": HEIGHT},
        },
    )


def rows(call: ApiCall[ScheduleQuery, None]) -> Iterator[AgendaLine]:
    """Export all automations that were read, the busiest first."""
    return iter(schedule.show_soonest(call, starts=_STARTS).agenda.lines)


def rows_of_irregular(call: ApiCall[ScheduleQuery, None]) -> list[SlotView]:
    """Export due times without a run in time."""
    return schedule.list_irregular(call).items


def _describe_slot(slot: SlotView) -> str:
    """Return the outcome of a due time."""
    return slot.verdict if slot.run is None else f"caught up, {format_span(slot.made_at - slot.slot_at)} late"


PAGES = (
    PageRoute(
        path="/schedule",
        template="automations/schedule.html",
        show=show,
        rows=rows,
        tables={"irregular": rows_of_irregular},
        query=ScheduleQuery,
        nouns=("automations",),
    ),
)

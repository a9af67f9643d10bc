"""`/schedule`: the next seven days, what starts when and for how long; and what did not start in time in the last day."""

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

SHOWN: Final = 25
"""Automations that are drawn, the busiest first; all that were looked at leave as CSV and JSON, with the first starts of each."""
_STARTS: Final = 24


def show(call: ApiCall[ScheduleQuery, Form | None]) -> PageView:
    """Draw the days."""
    found = schedule.show_soonest(api_call(call), lines=SHOWN)
    agenda, zone = found.agenda, call.site.settings.project.timezone
    changes = [draw_band(agenda, day) for day in list_clock_changes(zone, agenda.from_at, agenda.until_at)]
    most_at, most = find_busiest_hour(agenda)
    return PageView(
        "Schedule",
        {
            "agenda": agenda,
            "lines": [draw_line(agenda, line) for line in agenda.lines],
            "unseen": agenda.automations - len(agenda.lines),
            "more": found.more,
            "most_looked": MOST,
            "zone": zone,
            "marks": draw_day_marks(agenda, zone),
            "changes": changes,
            "hours": draw_hours(agenda),
            "busiest": {"at": most_at, "starts": most},
            "irregular": [(one, _describe_slot(one)) for one in found.irregular],
            "wanted": call.query.name or "",
            "size": {"width": WIDTH, "height": HEIGHT},
        },
    )


def rows(call: ApiCall[ScheduleQuery, None]) -> Iterator[AgendaLine]:
    """Give all that were looked at, the busiest first."""
    return iter(schedule.show_soonest(call, starts=_STARTS).agenda.lines)


def rows_of_irregular(call: ApiCall[ScheduleQuery, None]) -> list[SlotView]:
    """Give what did not start in time."""
    return schedule.list_irregular(call).items


def _describe_slot(one: SlotView) -> str:
    """Return what became of a due time."""
    return one.verdict if one.run is None else f"made up for, {format_span(one.made_at - one.slot_at)} late"


PAGES = (
    PageRoute(
        path="/schedule",
        template="schedule.html",
        show=show,
        rows=rows,
        tables={"irregular": rows_of_irregular},
        query=ScheduleQuery,
        nouns=("automations",),
    ),
)

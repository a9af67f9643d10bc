"""`/schedule`: the next seven days, what starts when and for how long; and what did not start in time in the last day."""

from collections.abc import Iterator
from typing import Final

from mainspring.insight.agenda import AgendaLine, clock_days
from mainspring.insight.words import span
from mainspring.store.views import SlotView
from mainspring.web.api import schedule
from mainspring.web.api.call import Call
from mainspring.web.api.schedule import MOST, ScheduleQuery
from mainspring.web.dashboard.page import Form, PageRoute, View, looked
from mainspring.web.pictures.timeline import HEIGHT, WIDTH, band_of, busiest, drawn, hours_path, marks_of

SHOWN: Final = 25
"""Automations that are drawn, the busiest first; all that were looked at leave as CSV and JSON, with the first starts of each."""
_STARTS: Final = 24


def show(call: Call[ScheduleQuery, Form | None]) -> View:
    """Draw the days."""
    found = schedule.soonest(looked(call), lines=SHOWN)
    agenda, zone = found.agenda, call.site.settings.project.timezone
    changes = [band_of(agenda, day) for day in clock_days(zone, agenda.from_at, agenda.until_at)]
    most_at, most = busiest(agenda)
    return View(
        "Schedule",
        {
            "agenda": agenda,
            "lines": [drawn(agenda, line) for line in agenda.lines],
            "unseen": agenda.automations - len(agenda.lines),
            "more": found.more,
            "most_looked": MOST,
            "zone": zone,
            "marks": marks_of(agenda, zone),
            "changes": changes,
            "hours": hours_path(agenda),
            "busiest": {"at": most_at, "starts": most},
            "irregular": [(one, _told(one)) for one in found.irregular],
            "wanted": call.query.name or "",
            "size": {"width": WIDTH, "height": HEIGHT},
        },
    )


def rows(call: Call[ScheduleQuery, None]) -> Iterator[AgendaLine]:
    """Give all that were looked at, the busiest first."""
    return iter(schedule.soonest(call, starts=_STARTS).agenda.lines)


def irregular(call: Call[ScheduleQuery, None]) -> list[SlotView]:
    """Give what did not start in time."""
    return schedule.irregular(call).items


def _told(one: SlotView) -> str:
    """Return what became of a due time."""
    return one.verdict if one.run is None else f"made up for, {span(one.made_at - one.slot_at)} late"


PAGES = (
    PageRoute(
        path="/schedule",
        template="schedule.html",
        show=show,
        rows=rows,
        tables={"irregular": irregular},
        query=ScheduleQuery,
        nouns=("automations",),
    ),
)

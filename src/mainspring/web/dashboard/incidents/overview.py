"""`/`: is anything wrong, since when, who acts; what is silent, who is asked, what runs, what comes next."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import IncidentState, RunState
from mainspring.insight.runs.unresolved_failures import undecided_runs_text
from mainspring.insight.status.upcoming import CELLS
from mainspring.insight.text.formatting import format_count
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import overview
from mainspring.web.api.prior_responses import newest_run_of_incident
from mainspring.web.dashboard.charts.run_strip import draw_brief_strip
from mainspring.web.dashboard.incidents.incident_operations import BUTTONS
from mainspring.web.dashboard.page_route import Form, PageQuery, PageRoute, PageView, api_call, list_tables

_OPEN, _LOOKED_AFTER = 10, 10
_LINKED: Final = 5
_FAILED_PATH: Final = f"/failed?state={RunState.FAILED}"


def show(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show how it stands."""
    found = overview.show_overview(api_call(call))
    opened = [one for one in found.incidents if one.state is IncidentState.OPEN]
    others = [one for one in found.incidents if one.state is not IncidentState.OPEN]
    values: dict[str, Any] = {
        "now": found,
        "head": found.head,
        "facts": _list_facts(found, len(opened), len(others)),
        "open": opened[:_OPEN],
        "more_open": len(opened) - _OPEN,
        "looked_after": others[:_LOOKED_AFTER],
        "more_looked_after": len(others) - _LOOKED_AFTER,
        "run_of": newest_run_of_incident,
        "strips": [(one, draw_brief_strip(one.runs, CELLS, call.site.clock.now(), _LINKED)) for one in found.strips],
        "whole": call.visitor.is_for_all,
    }
    return PageView("Now", values)


def _list_facts(found: overview.ProjectOverview, opened: int, looked_after: int) -> list[tuple[str, str]]:
    """Return the figures of the sentence, each with the page of its rows."""
    running = f"{len(found.running)}+" if found.has_more_running else len(found.running)
    asked = format_count(len(found.questions), "question waits", "questions wait")
    facts = [
        (opened, format_count(opened, "open incident"), "/incidents?state=open"),
        (found.undecided_failures.number, undecided_runs_text(found.undecided_failures), _FAILED_PATH),
        (looked_after, f"{looked_after} looked after", "/incidents?state=acknowledged&state=snoozed"),
        (len(found.questions), f"{asked} for an answer", "/waiting"),
        (True, f"{running} running", "/runs?state=running"),
        (True, format_count(found.automations, "automation"), "/automations"),
    ]
    return [(text, path) for is_there, text, path in facts if is_there]


def rows(call: ApiCall[PageQuery, None]) -> Iterator[Incident]:
    """Give what is not resolved, the loudest first."""
    return iter(overview.list_unresolved_incidents(call))


PAGES = (
    PageRoute(
        path="/",
        template="now.html",
        show=show,
        rows=rows,
        tables=list_tables(overview.show_overview, "silent", "questions", "running", "due", "strips"),
        nouns=("incidents", "runs", "questions", "automations", "workers"),
        buttons={name: BUTTONS[name] for name in ("acknowledge", "snooze")},
    ),
)

"""Overview, `/`: open incidents, silent automations, open questions, running runs and what is due."""

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

_OPEN, _HANDLED = 10, 10
_LINKED: Final = 5
_FAILED_PATH: Final = f"/failed?state={RunState.FAILED}"


def show(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show the overview."""
    project = overview.show_overview(api_call(call))
    opened = [incident for incident in project.incidents if incident.state is IncidentState.OPEN]
    handled = [incident for incident in project.incidents if incident.state is not IncidentState.OPEN]
    values: dict[str, Any] = {
        "now": project,
        "head": project.head,
        "facts": _list_facts(project, len(opened), len(handled)),
        "open": opened[:_OPEN],
        "more_open": len(opened) - _OPEN,
        "handled": handled[:_HANDLED],
        "more_handled": len(handled) - _HANDLED,
        "run_of": newest_run_of_incident,
        "strips": [
            (history, draw_brief_strip(history.runs, CELLS, call.site.clock.now(), _LINKED))
            for history in project.strips
        ],
        "whole": call.visitor.is_for_all,
    }
    return PageView("Now", values)


def _list_facts(project: overview.ProjectOverview, open_count: int, handled: int) -> list[tuple[str, str]]:
    """Return the numbers of the status sentence, each with the page of its rows."""
    running = f"{len(project.running)}+" if project.has_more_running else len(project.running)
    questions_text = format_count(len(project.questions), "question waits", "questions wait")
    facts = [
        (open_count, format_count(open_count, "open incident"), "/incidents?state=open"),
        (project.undecided_failures.number, undecided_runs_text(project.undecided_failures), _FAILED_PATH),
        (handled, f"{handled} acknowledged or snoozed", "/incidents?state=acknowledged&state=snoozed"),
        (len(project.questions), f"{questions_text} for an answer", "/waiting"),
        (True, f"{running} running", "/runs?state=running"),
        (True, format_count(project.automations, "automation"), "/automations"),
    ]
    return [(text, path) for is_listed, text, path in facts if is_listed]


def rows(call: ApiCall[PageQuery, None]) -> Iterator[Incident]:
    """Export unresolved incidents, the most severe first."""
    return iter(overview.list_unresolved_incidents(call))


PAGES = (
    PageRoute(
        path="/",
        template="incidents/now.html",
        show=show,
        rows=rows,
        tables=list_tables(overview.show_overview, "silent", "questions", "running", "due", "strips"),
        nouns=("incidents", "runs", "questions", "automations", "workers"),
        buttons={name: BUTTONS[name] for name in ("acknowledge", "snooze")},
    ),
)

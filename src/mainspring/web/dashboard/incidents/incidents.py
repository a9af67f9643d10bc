"""`/incidents`: what is and was wrong; `/incidents/{incident}`: one, with all that is known of it and what can be done."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.states import REOPENABLE_STATES, IncidentState
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import incidents
from mainspring.web.api.endpoints.incidents import IncidentsQuery
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.incidents.incident_operations import BUTTONS
from mainspring.web.dashboard.page_route import Form, PageQuery, PageRoute, PageView, api_call, list_tables

VIEWS: Final = {
    "what is wrong": (),
    "open": (IncidentState.OPEN,),
    "looked after": (IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED),
    "resolved": (IncidentState.RESOLVED,),
    "all": tuple(IncidentState),
}
"""What the list can be narrowed to, in the words of whoever looks."""


def show(call: ApiCall[IncidentsQuery, Form | None]) -> PageView:
    """List incidents, the newest change first."""
    query, found = call.query, incidents.list_incidents(api_call(call))
    values = {
        "incidents": found.items,
        "next": found.next,
        "query": query,
        "views": [
            (name, [state.value for state in states], set(query.state) == set(states)) for name, states in VIEWS.items()
        ],
        "severities": [one.value for one in Severity],
        "kinds": sorted(one.value for one in IncidentKind),
        "is_filtered": bool(query.state or query.severity or query.kind or query.automation or query.since),
    }
    return PageView("Incidents", values)


def rows(call: ApiCall[IncidentsQuery, None]) -> Iterator[Incident]:
    """Give them all."""
    return list_all_pages(call, incidents.list_incidents)


def show_one(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show an incident."""
    found = incidents.show_incident(api_call(call))
    one = found.incident
    again = next(
        (run for run in found.runs if run.state in REOPENABLE_STATES and run.kind != DefinitionKind.EXEC), None
    )
    good_at = one.facts.get("last_good_at")
    values: dict[str, Any] = {
        "found": found,
        "one": one,
        "parent": incidents.find_parent(api_call(call), one),
        "said_of": {field.label: field.text for field in found.fields},
        "last_good_at": good_at if isinstance(good_at, int) else None,
        "again": again if one.state is not IncidentState.RESOLVED else None,
        "typed": call.body or {},
        "is_over": one.state is IncidentState.RESOLVED,
        "may_take": one.state in (IncidentState.OPEN, IncidentState.SNOOZED),
    }
    return PageView(f"{one.subject.automation or 'mainspring'}: {one.text}", values)


PAGES = (
    PageRoute(
        path="/incidents",
        template="incidents.html",
        show=show,
        rows=rows,
        query=IncidentsQuery,
        nouns=("incidents",),
    ),
    PageRoute(
        path="/incidents/{incident}",
        template="incident.html",
        show=show_one,
        nouns=("incidents", "runs"),
        buttons=BUTTONS,
        tables=list_tables(incidents.show_incident, "runs", "parts", "moves", "alerts"),
        at="/incidents",
    ),
)

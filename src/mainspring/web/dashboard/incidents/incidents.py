"""`/incidents`: the list of incidents; `/incidents/{incident}`: one, with its details and operations."""

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
    "unresolved": (),
    "open": (IncidentState.OPEN,),
    "acknowledged or snoozed": (IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED),
    "resolved": (IncidentState.RESOLVED,),
    "all": tuple(IncidentState),
}
"""Filters of the list, by their labels."""


def show(call: ApiCall[IncidentsQuery, Form | None]) -> PageView:
    """List incidents, the newest change first."""
    query, page = call.query, incidents.list_incidents(api_call(call))
    values = {
        "incidents": page.items,
        "next": page.next,
        "query": query,
        "views": [
            (name, [state.value for state in states], set(query.state) == set(states)) for name, states in VIEWS.items()
        ],
        "severities": [severity.value for severity in Severity],
        "kinds": sorted(kind.value for kind in IncidentKind),
        "is_filtered": bool(query.state or query.severity or query.kind or query.automation or query.since),
    }
    return PageView("Incidents", values)


def rows(call: ApiCall[IncidentsQuery, None]) -> Iterator[Incident]:
    """Export all of them."""
    return list_all_pages(call, incidents.list_incidents)


def show_one(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show an incident."""
    detail = incidents.show_incident(api_call(call))
    incident = detail.incident
    failed_run = next(
        (run for run in detail.runs if run.state in REOPENABLE_STATES and run.kind != DefinitionKind.EXEC), None
    )
    good_at = incident.facts.get("last_good_at")
    values: dict[str, Any] = {
        "detail": detail,
        "incident": incident,
        "parent": incidents.find_parent(api_call(call), incident),
        "field_texts": {field.label: field.text for field in detail.fields},
        "last_good_at": good_at if isinstance(good_at, int) else None,
        "failed_run": failed_run if incident.state is not IncidentState.RESOLVED else None,
        "typed": call.body or {},
        "is_over": incident.state is IncidentState.RESOLVED,
        "may_acknowledge": incident.state in (IncidentState.OPEN, IncidentState.SNOOZED),
    }
    return PageView(f"{incident.subject.automation or 'mainspring'}: {incident.text}", values)


PAGES = (
    PageRoute(
        path="/incidents",
        template="incidents/incidents.html",
        show=show,
        rows=rows,
        query=IncidentsQuery,
        nouns=("incidents",),
    ),
    PageRoute(
        path="/incidents/{incident}",
        template="incidents/incident.html",
        show=show_one,
        nouns=("incidents", "runs"),
        buttons=BUTTONS,
        tables=list_tables(incidents.show_incident, "runs", "parts", "moves", "alerts"),
        at="/incidents",
    ),
)

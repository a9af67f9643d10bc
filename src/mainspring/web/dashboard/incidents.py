"""`/incidents`: what is and was wrong; `/incidents/{incident}`: one, with all that is known of it and what can be done."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.states import REOPENABLE_STATES, IncidentState
from mainspring.web.api import incidents
from mainspring.web.api.call import Call
from mainspring.web.api.incidents import IncidentsQuery
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.incident_acts import BUTTONS
from mainspring.web.dashboard.page import Form, Looking, PageRoute, View, looked, tables_of

VIEWS: Final = {
    "what is wrong": (),
    "open": (IncidentState.OPEN,),
    "looked after": (IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED),
    "resolved": (IncidentState.RESOLVED,),
    "all": tuple(IncidentState),
}
"""What the list can be narrowed to, in the words of whoever looks."""


def show(call: Call[IncidentsQuery, Form | None]) -> View:
    """List incidents, the newest change first."""
    query, found = call.query, incidents.listed(looked(call))
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
    return View("Incidents", values)


def rows(call: Call[IncidentsQuery, None]) -> Iterator[Incident]:
    """Give them all."""
    return pages_of(call, incidents.listed)


def show_one(call: Call[Looking, Form | None]) -> View:
    """Show an incident."""
    found = incidents.shown(looked(call))
    one = found.incident
    again = next(
        (run for run in found.runs if run.state in REOPENABLE_STATES and run.kind != DefinitionKind.EXEC), None
    )
    good_at = one.facts.get("last_good_at")
    values: dict[str, Any] = {
        "found": found,
        "one": one,
        "parent": incidents.parent_of(looked(call), one),
        "said_of": {field.label: field.text for field in found.fields},
        "last_good_at": good_at if isinstance(good_at, int) else None,
        "again": again if one.state is not IncidentState.RESOLVED else None,
        "typed": call.body or {},
        "is_over": one.state is IncidentState.RESOLVED,
        "may_take": one.state in (IncidentState.OPEN, IncidentState.SNOOZED),
    }
    return View(f"{one.subject.automation or 'mainspring'}: {one.text}", values)


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
        tables=tables_of(incidents.shown, "runs", "parts", "moves", "alerts"),
        at="/incidents",
    ),
)

"""`/automations`: automations with their owner, health, due times and last runs."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mainspring.domain.derived_states import AutomationState
from mainspring.insight.automations.automation_list import LISTED_RUNS, AutomationLine
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automation_health
from mainspring.web.api.endpoints.automation_health import AutomationHealthQuery
from mainspring.web.dashboard.charts.run_strip import draw_brief_strip
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView

CALM_STATES: Final = frozenset({AutomationState.ON_TIME, AutomationState.ON_DEMAND, AutomationState.LEARNING})
"""States that are not shown next to an incident."""


class AutomationExport(msgspec.Struct, frozen=True):
    """An automation without its runs, which are an export of their own.

    `incident` = the id of the most severe unresolved one, `failing` = its kind.
    """

    name: str
    kind: str
    state: AutomationState
    why: str
    incident: str | None
    failing: str | None
    owner: str | None
    team: str | None
    tags: dict[str, str]
    tier: str
    starts: list[str]
    due_at: int | None
    late_at: int | None
    last_good_at: int | None
    silence: str
    succeeded: int
    failed: int
    success_share: float | None
    p95_ms: int | None


def show(call: ApiCall[AutomationHealthQuery, Form | None]) -> PageView:
    """List automations by name."""
    page = automation_health.list_health(call.with_query(msgspec.structs.replace(call.query, runs=LISTED_RUNS)))
    now, query = call.site.clock.now(), call.query
    values = {
        "automations": [(line, draw_brief_strip(line.runs, LISTED_RUNS, now)) for line in page.items],
        "next": page.next,
        "states": list(AutomationState),
        "calm": CALM_STATES,
        "query": query,
        "filtered": any(
            (
                query.name,
                query.owner,
                query.team,
                query.tag,
                query.action,
                query.state,
                query.with_open_incident,
                query.cursor,
            )
        ),
    }
    return PageView("Automations", values)


def rows(call: ApiCall[AutomationHealthQuery, None]) -> Iterator[AutomationExport]:
    """Export all matching ones."""
    return (_build_export(line) for line in list_all_pages(call, automation_health.list_health))


def _build_export(line: AutomationLine) -> AutomationExport:
    incident = line.incident
    incident_values: dict[str, Any] = {
        "incident": None if incident is None else incident.id,
        "failing": None if incident is None else incident.subject.kind.value,
    }
    names = [name for name in AutomationExport.__struct_fields__ if name not in incident_values]
    return AutomationExport(**incident_values, **{name: getattr(line, name) for name in names})


PAGES = (
    PageRoute(
        path="/automations",
        template="automations/automations.html",
        show=show,
        rows=rows,
        query=AutomationHealthQuery,
        nouns=("automations", "runs", "incidents"),
    ),
)

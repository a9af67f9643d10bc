"""`/a/NAME`: one automation: its health, runs, errors, due times, monitors and definition."""

from collections.abc import Callable, Iterable, Iterator
from shlex import quote
from typing import Any, Final

import msgspec

from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.automation_health import AutomationHealth
from mainspring.insight.automations.automation_list import describe_starts, duration_at_share
from mainspring.insight.automations.dependencies import Edge
from mainspring.insight.automations.option_list import format_option, list_option_rows
from mainspring.insight.automations.trust import RecurringCause
from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
from mainspring.insight.runs.run_paths import PathEdge, edge_word
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.store.read.incidents import ErrorView
from mainspring.store.read.rollouts import find_last_rollout
from mainspring.store.read.schedules import list_created_schedules
from mainspring.store.views import AutomationView, RunRow
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automation_health, automations, incidents
from mainspring.web.api.endpoints.automation_health import (
    RUNS,
    ChangeMark,
    DueQuery,
    DueTimesDetail,
    HourlyStats,
    HourlyStatsQuery,
    HourStats,
)
from mainspring.web.api.endpoints.automations import PauseRequest
from mainspring.web.api.endpoints.incidents import ErrorsQuery, IncidentsQuery
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.endpoints.runs.runs import RunsQuery
from mainspring.web.dashboard.automations.automation_rows import (
    DayRow,
    SourceRow,
    group_by_day,
    list_monitor_rows,
    list_source_rows,
)
from mainspring.web.dashboard.automations.automations import CALM_STATES
from mainspring.web.dashboard.charts.heat_grid import draw_heat_grid
from mainspring.web.dashboard.charts.layered_graph import BOX, draw_layered_graph
from mainspring.web.dashboard.charts.punctuality import draw_punctuality, draw_window
from mainspring.web.dashboard.charts.run_paths import BOX as PATHS_BOX
from mainspring.web.dashboard.charts.run_paths import draw_run_paths
from mainspring.web.dashboard.charts.run_strip import draw_strip
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import (
    Form,
    PageButton,
    PageQuery,
    PageRoute,
    PageView,
    api_call,
    call_api,
    read_reason,
)
from mainspring.web.dashboard.time_fields import parse_future, zone_of_automation

_EXPLAINED_STATES = frozenset(AutomationState) - CALM_STATES
"""States that are explained first."""
_DUE: Final = 40
_NEXT: Final = 10
_ERRORS: Final = 20

DAYS: Final = 30
_LISTED_DUE: Final = 100


def _list_incidents(call: ApiCall[Any, None]) -> Iterable[Incident]:
    query = IncidentsQuery(automation=automations.find_automation(call).name, folded=True)
    return list_all_pages(call.with_query(query), incidents.list_incidents)


def _list_errors(call: ApiCall[Any, None]) -> Iterable[ErrorView]:
    return list_all_pages(
        call.with_query(ErrorsQuery(automation=automations.find_automation(call).name)), incidents.list_errors
    )


def _read_stats(call: ApiCall[Any, None]) -> HourlyStats:
    return automation_health.show_hourly_stats(call.with_query(HourlyStatsQuery(days=DAYS)))


def _list_days(call: ApiCall[Any, None]) -> list[DayRow]:
    return group_by_day(
        _read_stats(call).hours, zone_of_automation(call, read_definition(automations.find_automation(call)))
    )


def _list_hours(call: ApiCall[Any, None]) -> list[HourStats]:
    return _read_stats(call).hours


def _list_changes(call: ApiCall[Any, None]) -> list[ChangeMark]:
    return _read_stats(call).marks[::-1]


def _read_due_times(call: ApiCall[Any, None]) -> DueTimesDetail:
    return automation_health.show_due_times(call.with_query(DueQuery(limit=_LISTED_DUE)))


def _list_triggers(call: ApiCall[Any, None]) -> list[SourceRow]:
    return list_source_rows(read_definition(automations.find_automation(call)), call.visitor.may_view)


def _list_monitors(call: ApiCall[Any, None]) -> list[Evaluation]:
    return list(automation_health.show_health(call).judged)


def _list_causes(call: ApiCall[Any, None]) -> list[RecurringCause]:
    return automation_health.show_trust(call).causes


def _list_neighbours(call: ApiCall[Any, None]) -> list[Edge]:
    return automation_health.show_neighbours(call).edges


def _list_paths(call: ApiCall[Any, None]) -> list[PathEdge]:
    return automation_health.show_paths(call).edges


TABLES: Final[dict[str, Callable[[ApiCall[Any, None]], Iterable[msgspec.Struct]]]] = {
    "incidents": _list_incidents,
    "causes": _list_causes,
    "errors": _list_errors,
    "paths": _list_paths,
    "days": _list_days,
    "hours": _list_hours,
    "past": lambda call: _read_due_times(call).past[::-1],
    "next": lambda call: _read_due_times(call).next,
    "triggers": _list_triggers,
    "neighbours": _list_neighbours,
    "monitors": _list_monitors,
    "changes": _list_changes,
}
"""`hours` = the data of the heat grid."""


def show(call: ApiCall[PageQuery, Form | None]) -> PageView:
    """Show one automation."""
    detail = automations.show_automation(api_call(call))
    view, now = detail.automation, call.site.clock.now()
    definition, created = read_definition(view), list_created_schedules(call.site.reader, view.name)
    zone, health = zone_of_automation(call, definition), automation_health.show_health(api_call(call))
    unresolved = incidents.list_incidents(
        call.with_query(IncidentsQuery(automation=view.name, folded=True, limit=_ERRORS))
    ).items
    values = {
        "view": view,
        "definition": definition,
        "zone": zone,
        "owner": _option_value(definition, "owner"),
        "team": _option_value(definition, "team"),
        "tier": _option_value(definition, "tier") or "notify",
        "tags": _option_value(definition, "tags") or {},
        "health": health,
        "monitor_rows": list_monitor_rows(health.judged),
        "trust": automation_health.show_trust(api_call(call)),
        "incidents": unresolved,
        "worst": most_severe_by_automation(unresolved).get(view.name),
        "calm": CALM_STATES,
        "starts": describe_starts(definition, call.visitor.may_view, created),
        "sources": list_source_rows(definition, call.visitor.may_view),
        "can_start": definition is not None and definition.kind is not DefinitionKind.EXEC and view.retired_at is None,
        "can_backfill": definition is not None
        and definition.kind is not DefinitionKind.EXEC
        and bool(definition.schedules or created),
        "is_paused": health.state is AutomationState.PAUSED,
        "is_retired": health.state is AutomationState.RETIRED,
        "is_explained": health.state in _EXPLAINED_STATES,
        "pause_line": _pause_command(view.name, call.body),
        "quoted": quote(view.name),
        "typed": call.body or {},
    }
    values |= _run_values(call, view, now)
    values |= _stats_values(call, zone)
    values |= _due_values(call, zone, health)
    values |= _neighbour_values(call, view, definition)
    return PageView(view.name, values)


def rows(call: ApiCall[PageQuery, None]) -> Iterator[RunRow]:
    """Export its newest runs."""
    return iter(_list_newest_runs(call, automations.find_automation(call).name))


def _run_values(call: ApiCall[PageQuery, Form | None], view: AutomationView, now: int) -> dict[str, Any]:
    newest = [
        RunMark(row.id, row.state, row.reason, None, row.created_at, row.started_at, row.finished_at)
        for row in _list_newest_runs(call, view.name)
    ]
    errors_query = ErrorsQuery(automation=view.name, limit=_ERRORS)
    paths = automation_health.show_paths(api_call(call))
    return {
        "paths": paths,
        "paths_chart": draw_run_paths(paths),
        "paths_box": PATHS_BOX,
        "edge_word": edge_word,
        "runs": newest,
        "strip": draw_strip(newest, RUNS, now),
        "p50": duration_at_share(newest, 0.5),
        "p95": duration_at_share(newest, 0.95),
        "errors": incidents.list_errors(call.with_query(errors_query)).items,
    }


def _list_newest_runs(call: ApiCall[Any, Any], name: str) -> list[RunRow]:
    return runs.list_runs(call.with_query(RunsQuery(name=name, limit=RUNS))).items


def _stats_values(call: ApiCall[PageQuery, Form | None], zone: str) -> dict[str, Any]:
    stats = automation_health.show_hourly_stats(call.with_query(HourlyStatsQuery(days=DAYS)))
    return {
        "days": group_by_day(stats.hours, zone),
        "heat": draw_heat_grid(stats.hours, zone),
        "changes": stats.marks[::-1],
        "has_stats": bool(stats.hours),
    }


def _due_values(call: ApiCall[PageQuery, Form | None], zone: str, health: AutomationHealth) -> dict[str, Any]:
    due = automation_health.show_due_times(call.with_query(DueQuery(limit=_DUE)))
    is_in_time = health.late_at is not None and health.late_at > call.site.clock.now()
    chart = draw_punctuality(due.past, zone, health.due_at if is_in_time else None)
    now, good_at, late_at = call.site.clock.now(), health.last_good_at, health.late_at
    window = None if good_at is None or late_at is None else draw_window(good_at, late_at, now)
    return {"next_due": due.next[:_NEXT], "past": due.past[::-1], "expected": chart, "window": window}


def _neighbour_values(
    call: ApiCall[PageQuery, Form | None], view: AutomationView, definition: Definition | None
) -> dict[str, Any]:
    graph = automation_health.show_neighbours(api_call(call))
    edges = [(edge.upstream, edge.downstream, edge.words) for edge in graph.edges]
    return {
        "layers": draw_layered_graph([node.name for node in graph.nodes], edges),
        "box": BOX,
        "edges": graph.edges,
        "states": graph.states,
        "options": [(row, row.effect or format_option(row.value)) for row in list_option_rows(definition)]
        if definition is not None
        else [],
        "rollout": find_last_rollout(call.site.reader, view.name),
        "runbook": RunbookFinder(call.site.settings).of(view.name, definition),
    }


def _option_value(definition: Definition | None, name: str) -> Any:
    return None if definition is None else definition.option(name)


def _pause_command(name: str, form: Form | None) -> str:
    span = (form or {}).get("for", "").strip()
    return f"mainspring auto pause {quote(name)} --for {quote(span or '2h')} --reason '...'"


def pause(call: ApiCall[Any, Form]) -> None:
    """Pause it, for a span or until it is resumed."""
    span = call.body.get("for", "").strip()
    until = parse_future(call, span, "for") if span else None
    call_api(call, automations.pause, PauseRequest(reason=read_reason(call), until=until))


def resume(call: ApiCall[Any, Form]) -> None:
    """Resume it."""
    call_api(call, automations.resume, OperationRequest(reason=read_reason(call)))


def retire(call: ApiCall[Any, Form]) -> None:
    """Retire it."""
    call_api(call, automations.retire, OperationRequest(reason=read_reason(call)))


PAGES = (
    PageRoute(
        path="/a/{automation}",
        template="automations/automation.html",
        show=show,
        rows=rows,
        tables=TABLES,
        at="/automations",
        nouns=("automations", "runs", "incidents"),
        buttons={
            "pause": PageButton(Role.OPERATOR, pause),
            "resume": PageButton(Role.OPERATOR, resume),
            "retire": PageButton(Role.OPERATOR, retire),
        },
    ),
)

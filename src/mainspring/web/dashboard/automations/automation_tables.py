"""Exports of an automation's page, as CSV and JSON: each of its tables, and the data of its charts and lists, by name."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.dependencies import Edge
from mainspring.insight.automations.trust import RecurringCause
from mainspring.insight.runs.run_paths import PathEdge
from mainspring.store.read.incidents import ErrorView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import automation_health, automations, incidents
from mainspring.web.api.endpoints.automation_health import (
    ChangeMark,
    DueQuery,
    DueTimesDetail,
    HourlyStats,
    HourlyStatsQuery,
    HourStats,
)
from mainspring.web.api.endpoints.incidents import ErrorsQuery, IncidentsQuery
from mainspring.web.dashboard.automations.automation_rows import DayRow, SourceRow, group_by_day, list_source_rows
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.time_fields import zone_of_automation

DAYS: Final = 30
_DUE: Final = 100


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
    return automation_health.show_due_times(call.with_query(DueQuery(limit=_DUE)))


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

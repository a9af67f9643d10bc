"""What leaves the page of one automation as CSV and JSON: each of its tables, and what is drawn as pictures and lists there, by name."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.insight.announced import definition_of
from mainspring.insight.dependencies import Edge
from mainspring.insight.run_paths import PathEdge
from mainspring.insight.trust import RecurringCause
from mainspring.store.reads.incidents import ErrorView
from mainspring.web.api import automations, incidents, standings
from mainspring.web.api.call import Call
from mainspring.web.api.incidents import ErrorsQuery, IncidentsQuery
from mainspring.web.api.standings import AutomationFigures, ChangeMark, DueQuery, DueShown, FiguresQuery, HourFigures
from mainspring.web.dashboard.automation_rows import DayRow, SourceRow, days_of, source_rows
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import zone_for

DAYS: Final = 30
_DUE: Final = 100


def _incidents(call: Call[Any, None]) -> Iterable[Incident]:
    asked = IncidentsQuery(automation=automations.named(call).name, folded=True)
    return pages_of(call.asking(asked), incidents.listed)


def _errors(call: Call[Any, None]) -> Iterable[ErrorView]:
    return pages_of(call.asking(ErrorsQuery(automation=automations.named(call).name)), incidents.errors)


def _figures(call: Call[Any, None]) -> AutomationFigures:
    return standings.figures(call.asking(FiguresQuery(days=DAYS)))


def _days(call: Call[Any, None]) -> list[DayRow]:
    return days_of(_figures(call).hours, zone_for(call, definition_of(automations.named(call))))


def _hours(call: Call[Any, None]) -> list[HourFigures]:
    return _figures(call).hours


def _changes(call: Call[Any, None]) -> list[ChangeMark]:
    return _figures(call).marks[::-1]


def _due(call: Call[Any, None]) -> DueShown:
    return standings.due(call.asking(DueQuery(limit=_DUE)))


def _triggers(call: Call[Any, None]) -> list[SourceRow]:
    return source_rows(definition_of(automations.named(call)), call.visitor.may_see)


def _monitors(call: Call[Any, None]) -> list[Evaluation]:
    return list(standings.standing(call).judged)


def _causes(call: Call[Any, None]) -> list[RecurringCause]:
    return standings.trust(call).causes


def _neighbours(call: Call[Any, None]) -> list[Edge]:
    return standings.graph(call).edges


def _paths(call: Call[Any, None]) -> list[PathEdge]:
    return standings.paths(call).edges


TABLES: Final[dict[str, Callable[[Call[Any, None]], Iterable[msgspec.Struct]]]] = {
    "incidents": _incidents,
    "causes": _causes,
    "errors": _errors,
    "paths": _paths,
    "days": _days,
    "hours": _hours,
    "past": lambda call: _due(call).past[::-1],
    "next": lambda call: _due(call).next,
    "triggers": _triggers,
    "neighbours": _neighbours,
    "monitors": _monitors,
    "changes": _changes,
}
"""`hours` = what the heat grid is drawn from."""

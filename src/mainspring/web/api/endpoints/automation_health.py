"""The health of automations: a list with a line each; for one, its health, trust, hourly stats, neighbours, run paths and due times."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import Incident
from mainspring.insight.automations import due_times
from mainspring.insight.automations.announced_definitions import read_definition, read_neighbours
from mainspring.insight.automations.automation_health import AutomationHealth, read_automation_health
from mainspring.insight.automations.automation_list import LISTED_RUNS, AutomationLine, list_automation_lines
from mainspring.insight.automations.dependencies import Edge, Node
from mainspring.insight.automations.due_times import DueTime, PastDueTime
from mainspring.insight.automations.trust import Trust, read_trust
from mainspring.insight.rollouts.rollout_moves import list_rollout_moves
from mainspring.insight.runs.run_paths import RunPaths, summarize_run_paths
from mainspring.insight.status.project_status import read_unresolved
from mainspring.insight.text import quantile
from mainspring.store.read.automations import automation_stats
from mainspring.store.read.automations.automation_stats import HourRow
from mainspring.store.read.automations.recent_changes import changes_since
from mainspring.store.read.schedules import list_created_schedules
from mainspring.store.read.status.status import automations, schedules, slots_between
from mainspring.store.views import AutomationView
from mainspring.web.api.bodies import ListQuery, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints.automations import find_automation
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
_AT_ONCE = 100
_READ_AT_MOST = 500
"""Automations that are read for a filter by state; `next` continues behind them."""
RUNS = 100
"""Runs that are compared with due times."""
_MARKS = 100
_MOST_NODES = 60


class AutomationHealthQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of automations: names that contain this text, this owner, team, tag ("nightly", or "team=data") and state.

    `action` = only those whose code uses this action, such as "http.request".

    `with_open_incident` = only those with an unresolved incident; `retired` = retired ones too; `runs` = how many of the newest runs each
    line lists.
    """

    name: Word | None = None
    owner: Word | None = None
    team: Word | None = None
    tag: Word | None = None
    action: Word | None = None
    state: tuple[AutomationState, ...] = ()
    with_open_incident: bool = False
    retired: bool = False
    runs: Annotated[int, msgspec.Meta(ge=0, le=LISTED_RUNS)] = 0


class HourlyStatsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Statistics of the last `days`, in spans of `hours`."""

    days: Annotated[int, msgspec.Meta(ge=1, le=60)] = 30
    hours: Annotated[int, msgspec.Meta(ge=1, le=24)] = 1


class DueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many upcoming due times, and how many past ones."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class HourStats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of one hour, or span of hours. `p50_ms`, `p95_ms` = percentiles of the durations of ended runs, within a factor of two.

    `took` = {k: number of runs that took at most 2^k ms, and more than half of it}.
    """

    hour_at: int
    started: int
    succeeded: int
    failed: int
    attention: int
    p50_ms: int | None
    p95_ms: int | None
    took: dict[int, int]


class ChangeMark(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment, a change of the automation, or a move of its rollout."""

    at: int
    text: str
    own: bool


class HourlyStats(msgspec.Struct, frozen=True, kw_only=True):
    """The hours in which runs were counted, oldest first, and the deployments and moves of rollouts in that time."""

    automation: str
    since_at: int
    hours: list[HourStats]
    marks: list[ChangeMark]


class Neighbours(msgspec.Struct, frozen=True):
    """The automations whose ends start this one, and those that it starts; `states` = the health of each."""

    nodes: list[Node]
    edges: list[Edge]
    states: dict[str, AutomationState]


class DueTimesDetail(msgspec.Struct, frozen=True, kw_only=True):
    """`next` = upcoming due times, earliest first; `past` = past ones, oldest first, with their results."""

    next: list[DueTime]
    past: list[PastDueTime]


class _OwnerFields(msgspec.Struct, frozen=True):
    owner: str | None = None
    team: str | None = None
    tags: dict[str, str] = {}


class _DefinitionFields(msgspec.Struct, frozen=True):
    options: _OwnerFields = _OwnerFields()
    actions: tuple[str, ...] = ()


def list_health(call: ApiCall[AutomationHealthQuery, None]) -> Page[AutomationLine]:
    """List automations by name, with their health, their next due time and their last runs."""
    query = call.query
    # Incidents grouped under another one count too: each automation shows its own.
    incidents = [incident for group in read_unresolved(call.site.reader) for incident in group]
    matching = sorted(_filter_views(call, incidents), key=lambda view: view.name)
    selected: list[AutomationView] = []
    read_count = 0
    while read_count < len(matching) and len(selected) < query.limit and read_count < _READ_AT_MOST:
        batch = matching[read_count : read_count + _AT_ONCE] if query.state else matching[: query.limit]
        read_count += len(batch)
        selected += _filter_by_state(call, batch) if query.state else batch
    listed = selected[: query.limit]
    last = listed[-1] if len(selected) >= query.limit else matching[read_count - 1] if read_count else None
    return Page(_list_lines(call, listed, incidents), None if last is None or last is matching[-1] else last.name)


def _filter_by_state(call: ApiCall[AutomationHealthQuery, None], views: list[AutomationView]) -> list[AutomationView]:
    health = _read_health(call, [view.name for view in views])
    return [view for view in views if view.name in health and health[view.name].state in call.query.state]


def _read_health(call: AnyApiCall, names: Iterable[str], *, exclusive: bool = False) -> dict[str, AutomationHealth]:
    monitors, now = call.site.settings.monitors, call.site.clock.now()
    return read_automation_health(
        call.site.reader, names, now, read_tunings(monitors), read_tuning_overrides(monitors), is_single=exclusive
    )


def show_health(call: AnyApiCall) -> AutomationHealth:
    """Show the health of an automation, and the verdicts of its monitors with their values."""
    name = find_automation(call).name
    health = _read_health(call, [name], exclusive=True)
    return health[name] if name in health else call.missing("automation", name)


def show_neighbours(call: AnyApiCall) -> Neighbours:
    """Show which automations start this one by the end of their runs, and which it starts; at most 60 of them."""
    name = find_automation(call).name
    neighbours = read_neighbours(automations(call.site.reader), name, call.visitor.may_view)
    names = [name, *(other for other in neighbours.nodes if other != name)][:_MOST_NODES]
    edges = [edge for edge in neighbours.edges if edge.upstream in names and edge.downstream in names]
    linked = {end for edge in edges for end in (edge.upstream, edge.downstream)}
    states = _read_health(call, linked)
    nodes = [
        neighbours.nodes[automation] for automation in names if automation in neighbours.nodes and automation in linked
    ]
    return Neighbours(nodes, edges, {automation: health.state for automation, health in states.items()})


def show_paths(call: AnyApiCall) -> RunPaths:
    """Show the paths of the newest 50 runs of a workflow from step to step, and the failures without an error path."""
    return summarize_run_paths(call.site.reader, find_automation(call), call.visitor.may_view)


def show_trust(call: AnyApiCall) -> Trust:
    """Show the trust in an automation: thirty days compared with the thirty before."""
    return read_trust(call.site.reader, find_automation(call).name, call.site.clock.now())


def show_hourly_stats(call: ApiCall[HourlyStatsQuery, None]) -> HourlyStats:
    """Show statistics of an automation by the hour, and the deployments and moves of rollouts in that time."""
    name, reader = find_automation(call).name, call.site.reader
    since_at = call.site.clock.now() - call.query.days * _DAY_MS
    rows = automation_stats.hours(reader, name, since_at)
    changes = changes_since(reader, since_at)
    marks = [
        ChangeMark(at=deployment.at, text=f"deployment {deployment.number}", own=False)
        for deployment in changes.deployments
    ]
    own_conditions = (condition for condition in changes.conditions if condition.subject == f"automation:{name}")
    marks += [ChangeMark(at=condition.at, text=condition.text, own=True) for condition in own_conditions]
    moves = list_rollout_moves(reader, name, since_at)
    marks += [ChangeMark(at=move.at, text=move.text, own=True) for move in moves]
    return HourlyStats(
        automation=name,
        since_at=since_at,
        hours=_join_spans(rows, call.query.hours * _HOUR_MS),
        marks=sorted(marks, key=lambda mark: mark.at)[-_MARKS:],
    )


def _join_spans(rows: list[HourRow], span_ms: int) -> list[HourStats]:
    """Return the stats of hours, joined to longer spans (UTC)."""
    spans: dict[int, list[HourRow]] = {}
    for row in rows:
        spans.setdefault(row.hour_at - row.hour_at % span_ms, []).append(row)
    return [_join_span(at, span_rows) for at, span_rows in spans.items()]


def _join_span(at: int, rows: list[HourRow]) -> HourStats:
    durations = rows[0].took if len(rows) == 1 else quantile.merge_buckets(row.took for row in rows)
    return HourStats(
        hour_at=at,
        started=sum(row.started for row in rows),
        succeeded=sum(row.succeeded for row in rows),
        failed=sum(row.failed for row in rows),
        attention=sum(row.attention for row in rows),
        p50_ms=quantile.estimate_quantile(durations, 0.5),
        p95_ms=quantile.estimate_quantile(durations, 0.95),
        took=durations,
    )


def show_due_times(call: ApiCall[DueQuery, None]) -> DueTimesDetail:
    """Show the next due times of an automation, and the outcome of past ones."""
    view, now, limit = find_automation(call), call.site.clock.now(), call.query.limit
    definition, reader = read_definition(view), call.site.reader
    named_schedules = due_times.list_schedules(definition, list_created_schedules(reader, view.name))
    runs = automation_stats.newest_runs(reader, [view.name], RUNS)[view.name]
    planned = [schedule.low_water_at for schedule in schedules(reader, view.name)]
    from_at = min((run.created_at - 1 for run in runs), default=min(planned, default=view.announced_at))
    slots = [slot for named in named_schedules for slot in slots_between(reader, named.name, from_at, now, RUNS)]
    pauses = automation_stats.pauses(reader, view.name, from_at)
    return DueTimesDetail(
        next=due_times.list_next_due_times(named_schedules, due_times.schedules_run_from(view, now), limit),
        past=due_times.list_past_due_times(named_schedules, runs, slots, pauses, from_at, now, limit),
    )


def _list_lines(
    call: ApiCall[AutomationHealthQuery, None], views: list[AutomationView], incidents: list[Incident]
) -> list[AutomationLine]:
    monitors = call.site.settings.monitors
    return list_automation_lines(
        call.site.reader,
        views,
        call.site.clock.now(),
        read_tunings(monitors),
        read_tuning_overrides(monitors),
        incidents=incidents,
        may_view=call.visitor.may_view,
        runs=call.query.runs,
        zone=call.site.settings.project.timezone,
    )


def _filter_views(call: ApiCall[AutomationHealthQuery, None], incidents: list[Incident]) -> Iterator[AutomationView]:
    query = call.query
    failing = {incident.subject.automation for incident in incidents} if query.with_open_incident else set()
    for view in automations(call.site.reader):
        if not call.visitor.may_view(view.name) or (query.cursor is not None and view.name <= query.cursor):
            continue
        if query.with_open_incident and view.name not in failing:
            continue
        if query.name is not None and query.name not in view.name:
            continue
        if view.retired_at is not None and not query.retired and AutomationState.RETIRED not in query.state:
            continue
        if (query.owner or query.team or query.tag or query.action) and not _matches(view, query):
            continue
        yield view


def _matches(view: AutomationView, query: AutomationHealthQuery) -> bool:
    fields = msgspec.json.decode(view.definition, type=_DefinitionFields)
    if query.action is not None and query.action not in fields.actions:
        return False
    owner_fields = fields.options
    key, is_pair, value = (query.tag or "").partition("=")
    has_tag = query.tag is None or (owner_fields.tags.get(key) == value if is_pair else query.tag in owner_fields.tags)
    return query.owner in (None, owner_fields.owner) and query.team in (None, owner_fields.team) and has_tag


ROUTES = (
    get_route(
        "automation_health.listed",
        "/automations/health",
        list_health,
        Page[AutomationLine],
        query=AutomationHealthQuery,
    ),
    get_route("automation_health.shown", "/automations/{automation}/health", show_health, AutomationHealth),
    get_route("automation_health.graph", "/automations/{automation}/graph", show_neighbours, Neighbours),
    get_route("automation_health.paths", "/automations/{automation}/paths", show_paths, RunPaths),
    get_route("automation_health.trust", "/automations/{automation}/trust", show_trust, Trust),
    get_route(
        "automation_health.figures",
        "/automations/{automation}/figures",
        show_hourly_stats,
        HourlyStats,
        query=HourlyStatsQuery,
    ),
    get_route("automation_health.due", "/automations/{automation}/due", show_due_times, DueTimesDetail, query=DueQuery),
)

"""Incidents with their history and notifications, alerts, and errors by cause; acknowledge, snooze and resolve incidents."""

from collections.abc import Callable

import msgspec

from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.errors import ArgumentError
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.notifications.notification import NotificationEvent, NotificationField
from mainspring.domain.notifications.rendering import NotificationContext, render_notification
from mainspring.domain.states import AlertState, IncidentState, RunState
from mainspring.domain.time.cron import find_zone
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.incidents.visible_incidents import is_visible
from mainspring.service import incident
from mainspring.service.actor import OperationContext
from mainspring.store.read import incidents
from mainspring.store.read.incident_pages import grouped_incidents_of, incident_page, incidents_named, runs_of_incident
from mainspring.store.read.incidents import AlertView, ErrorView, MemberView, MoveView
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.short_ids import IdKind
from mainspring.store.read.status.status import automations
from mainspring.store.views import RunRow
from mainspring.web.api.bodies import Limit, ListQuery, Number, OperationRequest, OperationResponse, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.prior_responses import list_runs_of_incident
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route, post_route

_MOST = 10_000
_AT_ONCE, _MAX_PAGES = 500, 20
_UNRESOLVED = tuple(state for state in IncidentState if state is not IncidentState.RESOLVED)


class IncidentsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of incidents: in one of these states (left out: all unresolved ones), of this severity, automation or kind, changed since.

    `folded` = also those that are part of a storm. Without it, an incident of a storm is listed only if the visitor cannot see the storm.
    """

    state: tuple[IncidentState, ...] = ()
    severity: tuple[Severity, ...] = ()
    automation: Word | None = None
    kind: tuple[IncidentKind, ...] = ()
    since: Instant | None = None
    folded: bool = False


class ErrorsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of errors: of this automation, with a fingerprint that begins with `error`, that occurred since, of runs in this state."""

    automation: Word | None = None
    error: Word | None = None
    since: Instant | None = None
    state: RunState | None = None
    limit: Limit = 100


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of alerts: to this channel, in this state, made since; at most `limit` of them after `cursor`."""

    channel: Word | None = None
    state: AlertState | None = None
    since: Instant | None = None
    limit: Limit = 100
    cursor: Number | None = None


class RunbookDetail(msgspec.Struct, frozen=True):
    """The place of the runbook of an automation, and its text about the incident; None = it cannot be read here."""

    where: str
    text: str | None


class IncidentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An incident, its history, and its notifications with their texts.

    `runs` = its runs, the newest 50; `members` = those of this opening that failed, with their settlement; `parts` = of a storm; `zone` =
    of its automation.
    """

    incident: Incident
    moves: list[MoveView]
    alerts: list[AlertView]
    fields: list[NotificationField]
    runs: list[RunRow]
    members: list[MemberView]
    parts: list[Incident]
    runbook: RunbookDetail | None
    zone: str


class AcknowledgeRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when it opens again, unless it is resolved; left out: not by itself. At most 30 days ahead."""

    until: Instant | None = None


class SnoozeRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when notifications may be sent again; at most 30 days ahead."""

    until: Instant


def list_incidents(call: ApiCall[IncidentsQuery, None]) -> Page[Incident]:
    """List incidents, the newest change first."""
    query, is_allowed = call.query, call.visitor.may_view
    before = None if query.cursor is None else _parse_cursor(query.cursor)
    if query.automation is not None and not call.visitor.may_view(query.automation):
        return Page([])  # without a cursor, which would show how far incidents of others were read
    listed: list[Incident] = []
    at_once = query.limit + 1 if call.visitor.is_for_all else _AT_ONCE
    for _ in range(_MAX_PAGES):
        page = incident_page(
            call.site.reader,
            automation=query.automation,
            states=query.state or _UNRESOLVED,
            severities=query.severity,
            kinds=query.kind,
            since_at=to_ms(query.since),
            apart=not query.folded and call.visitor.is_for_all,
            limit=at_once,
            before=before,
        )
        visible = [incident for incident in page if is_visible(incident, is_allowed)]
        listed += visible if query.folded else _outside_groups(call, visible)
        before = (page[-1].changed_at, page[-1].id) if len(page) == at_once else None
        if before is None or len(listed) > query.limit:
            break
    if len(listed) > query.limit:
        last = listed[query.limit - 1]
        before = (last.changed_at, last.id)
    return Page(listed[: query.limit], None if before is None else f"{before[0]}.{before[1]}")


def _outside_groups(call: AnyApiCall, incidents: list[Incident]) -> list[Incident]:
    """Return the incidents that belong to no group that the visitor sees; the parents are read together."""
    parents = {incident.parent for incident in incidents if incident.parent is not None}
    known_parents = incidents_named(call.site.reader, parents) if parents else ()
    visible_parents = {parent.id for parent in known_parents if is_visible(parent, call.visitor.may_view)}
    return [incident for incident in incidents if incident.parent not in visible_parents]


def find_parent(call: AnyApiCall, child: Incident) -> Incident | None:
    """Return the parent of an incident; None = it has none that the visitor sees."""
    parent = None if child.parent is None else incidents.incident(call.site.reader, child.parent)
    return parent if parent is not None and is_visible(parent, call.visitor.may_view) else None


def _parse_cursor(cursor: str) -> tuple[int, str]:
    at, dot, id = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdecimal() or int(at) > NEWEST:
        raise ArgumentError(f"{cursor!r} is not a cursor of incidents", hint="Use `next` of the previous page.")
    return int(at), id


def show_incident(call: AnyApiCall) -> IncidentDetail:
    """Show an incident: its facts, history, notifications, runs and runbook."""
    incident, reader = _find_incident(call), call.site.reader
    definition = _read_definition(call, incident.subject.automation)
    runbook = _read_runbook(call, incident, definition)
    options = {} if definition is None else {name: definition.option(name) for name in ("owner", "team", "tz")}
    project = call.site.settings.project
    zone: str = options.pop("tz", None) or project.timezone
    where = None if runbook is None else runbook.where
    context = NotificationContext(runbook=where, zone=find_zone(zone), environment=project.environment, **options)
    event = NotificationEvent.RESOLVED if incident.state is IncidentState.RESOLVED else NotificationEvent.REPEATED
    notification = render_notification("", event, call.site.clock.now(), incident, context)
    opening, is_allowed = call.site.opening, call.visitor.may_view
    runs = runs_of_incident(reader, incident.id, list_runs_of_incident(incident))
    return IncidentDetail(
        incident=incident,
        moves=incidents.moves(reader, incident.id),
        alerts=incidents.alerts(reader, incident.id),
        fields=list(notification.fields),
        runs=[opening.row(row) for row in runs if is_allowed(row.automation)],
        members=incidents.members_of(reader, incident.id),
        parts=[
            part for part in grouped_incidents_of(reader, incident.id) if is_allowed(part.subject.automation or None)
        ],
        runbook=runbook,
        zone=zone,
    )


def _read_definition(call: AnyApiCall, name: str) -> Definition | None:
    views = automations(call.site.reader, name) if name else []
    return read_definition(views[0]) if views else None


def _read_runbook(call: AnyApiCall, incident: Incident, definition: Definition | None) -> RunbookDetail | None:
    name = incident.subject.automation
    runbooks = RunbookFinder(call.site.settings)
    runbook = runbooks.of(name, definition, incident) if name else None
    return None if runbook is None else RunbookDetail(runbook.where, runbooks.words(runbook))


def list_errors(call: ApiCall[ErrorsQuery, None]) -> Page[ErrorView]:
    """List the errors of failed runs, one line for each cause, newest first."""
    query = call.query
    errors = incidents.errors(
        call.site.reader,
        query.automation,
        error=query.error,
        since_at=to_ms(query.since),
        state=query.state,
        limit=query.limit if call.visitor.is_for_all else _MOST,
    )
    return Page([error for error in errors if call.visitor.may_view(error.automation)][: query.limit])


def list_alerts(call: ApiCall[AlertsQuery, None]) -> Page[AlertView]:
    """List notifications, sent or waiting, newest first."""
    query = call.query
    at_once = query.limit + 1 if call.visitor.is_for_all else _MOST
    alerts = incidents.alerts(
        call.site.reader,
        channel=query.channel,
        state=query.state,
        since_at=to_ms(query.since),
        limit=at_once,
        cursor=query.cursor,
    )
    visible = [alert for alert in alerts if call.visitor.may_view(alert.automation or None)]
    listed = visible[: query.limit]
    last = listed[-1] if len(visible) > query.limit else alerts[-1] if len(alerts) == at_once else None
    return Page(listed, None if last is None else str(last.seq))


def acknowledge(call: ApiCall[None, AcknowledgeRequest]) -> OperationResponse:
    """Acknowledge an incident, for a time or until it is resolved: reminders stop, and it resolves by itself."""
    now, until_at = call.site.clock.now(), to_ms(call.body.until)
    return _perform(
        call, lambda id, act: incident.acknowledge(call.site.store, id, act=act, until_at=until_at, now=now)
    )


def snooze(call: ApiCall[None, SnoozeRequest]) -> OperationResponse:
    """Snooze an incident: no notifications for a time, except that it was resolved."""
    now, until_at = call.site.clock.now(), to_ms(call.body.until) or 0
    return _perform(call, lambda id, act: incident.snooze(call.site.store, id, until_at, now=now, act=act))


def resolve(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Resolve an incident; its failed runs of this moment count as decided. A later failure reopens it, without them."""
    return _perform(call, lambda id, act: incident.resolve(call.site.store, id, act=act))


def _perform(call: AnyApiCall, operation: Callable[[str, OperationContext], None]) -> OperationResponse:
    act = call.act()
    operation(_find_incident(call).id, act)
    return OperationResponse(act.command)


def _find_incident(call: AnyApiCall) -> Incident:
    """Return the incident that the path names. Raises NotFoundError."""
    id = call.id_of(IdKind.INCIDENT, call.names["incident"])
    view = incidents.incident(call.site.reader, id)
    if view is None or not call.visitor.may_view(view.subject.automation or None):
        call.missing("incident", id)
    return view


ROUTES = (
    get_route("incidents.listed", "/incidents", list_incidents, Page[Incident], query=IncidentsQuery),
    get_route("incidents.shown", "/incidents/{incident}", show_incident, IncidentDetail),
    post_route(
        "incidents.acknowledge", "/incidents/{incident}/acknowledge", acknowledge, AcknowledgeRequest, OperationResponse
    ),
    post_route("incidents.snooze", "/incidents/{incident}/snooze", snooze, SnoozeRequest, OperationResponse),
    post_route("incidents.resolve", "/incidents/{incident}/resolve", resolve, OperationRequest, OperationResponse),
    get_route("incidents.alerts", "/alerts", list_alerts, Page[AlertView], query=AlertsQuery),
    get_route("incidents.errors", "/errors", list_errors, Page[ErrorView], query=ErrorsQuery),
)

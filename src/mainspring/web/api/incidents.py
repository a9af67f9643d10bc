"""What is wrong: incidents with what became of them and what was told, errors by their cause; acknowledge, snooze, resolve."""

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
from mainspring.insight.announced import definition_of
from mainspring.insight.seen_incidents import is_seen
from mainspring.service import incident as acts_on
from mainspring.service.actor import Act
from mainspring.store.reads import incidents as stored
from mainspring.store.reads.bounds import NEWEST
from mainspring.store.reads.incident_list import incident_page, incidents_named, parts_of, runs_of_incident
from mainspring.store.reads.incidents import AlertView, ErrorView, MemberView, MoveView
from mainspring.store.reads.short_ids import IdKind
from mainspring.store.reads.status import automations
from mainspring.store.views import RunRow
from mainspring.web.api.bodies import Because, Done, Limit, Number, Slice, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Instant, Page
from mainspring.web.continued import runs_of

_MOST = 10_000
_AT_ONCE, _LOOKS = 500, 20
_UNRESOLVED = tuple(state for state in IncidentState if state is not IncidentState.RESOLVED)


class IncidentsQuery(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents: in one of these states (left out: all that are not resolved), so loud, of this automation or kind, changed since.

    `folded` = those too that are part of a storm; without it those alone whose storm is of more than the visitor sees.
    """

    state: tuple[IncidentState, ...] = ()
    severity: tuple[Severity, ...] = ()
    automation: Word | None = None
    kind: tuple[IncidentKind, ...] = ()
    since: Instant | None = None
    folded: bool = False


class ErrorsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which errors: of this automation, whose fingerprint begins with `error`, that came since, of runs in this state."""

    automation: Word | None = None
    error: Word | None = None
    since: Instant | None = None
    state: RunState | None = None
    limit: Limit = 100


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts: to this channel, in this state, made since; at most `limit` of them, behind `cursor`."""

    channel: Word | None = None
    state: AlertState | None = None
    since: Instant | None = None
    limit: Limit = 100
    cursor: Number | None = None


class RunbookShown(msgspec.Struct, frozen=True):
    """Where the runbook of an automation is, and what it says of the incident; None = it is not here to be read."""

    where: str
    text: str | None


class IncidentShown(msgspec.Struct, frozen=True, kw_only=True):
    """An incident, what became of it, and what was or is to be told of it, and in which words.

    `runs` = those that it stands for, the newest 50; `members` = those of this opening that failed, and what settled them; `parts` = of a
    storm; `zone` = of its automation.
    """

    incident: Incident
    moves: list[MoveView]
    alerts: list[AlertView]
    fields: list[NotificationField]
    runs: list[RunRow]
    members: list[MemberView]
    parts: list[Incident]
    runbook: RunbookShown | None
    zone: str


class Acknowledge(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when it is open again, unless it is over; left out: not before. At most 30 days away."""

    until: Instant | None = None


class Snooze(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when it may be told again; at most 30 days away."""

    until: Instant


def listed(call: Call[IncidentsQuery, None]) -> Page[Incident]:
    """List incidents, the newest change first."""
    query, sees = call.query, call.visitor.may_see
    before = None if query.cursor is None else _place(query.cursor)
    if query.automation is not None and not call.visitor.may_see(query.automation):
        return Page([])  # also without the place up to which others were looked through
    found: list[Incident] = []
    at_once = query.limit + 1 if call.visitor.is_for_all else _AT_ONCE
    for _ in range(_LOOKS):
        page = incident_page(
            call.site.reader,
            automation=query.automation,
            states=query.state or _UNRESOLVED,
            severities=query.severity,
            kinds=query.kind,
            since_at=ms(query.since),
            apart=not query.folded and call.visitor.is_for_all,
            limit=at_once,
            before=before,
        )
        seen = [one for one in page if is_seen(one, sees)]
        found += seen if query.folded else _apart(call, seen)
        before = (page[-1].changed_at, page[-1].id) if len(page) == at_once else None
        if before is None or len(found) > query.limit:
            break
    if len(found) > query.limit:
        last = found[query.limit - 1]
        before = (last.changed_at, last.id)
    return Page(found[: query.limit], None if before is None else f"{before[0]}.{before[1]}")


def _apart(call: AnyCall, incidents: list[Incident]) -> list[Incident]:
    """Return those that are part of no storm that the visitor sees; the storms are read together."""
    parents = {one.parent for one in incidents if one.parent is not None}
    named = incidents_named(call.site.reader, parents) if parents else ()
    storms = {one.id for one in named if is_seen(one, call.visitor.may_see)}
    return [one for one in incidents if one.parent not in storms]


def parent_of(call: AnyCall, one: Incident) -> Incident | None:
    """Return the storm that an incident is part of; None = of none that the visitor sees."""
    above = None if one.parent is None else stored.incident(call.site.reader, one.parent)
    return above if above is not None and is_seen(above, call.visitor.may_see) else None


def _place(cursor: str) -> tuple[int, str]:
    at, dot, id = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdecimal() or int(at) > NEWEST:
        raise ArgumentError(f"{cursor!r} is no cursor of incidents", hint="Take `next` of the part before.")
    return int(at), id


def shown(call: AnyCall) -> IncidentShown:
    """Show an incident: by what it was judged, what became of it, who was told, the runs that it stands for, its runbook."""
    found, reader = _named(call), call.site.reader
    definition = _definition(call, found.subject.automation)
    runbook = _runbook(call, found, definition)
    said = {} if definition is None else {name: definition.option(name) for name in ("owner", "team", "tz")}
    project = call.site.settings.project
    zone: str = said.pop("tz", None) or project.timezone
    where = None if runbook is None else runbook.where
    around = NotificationContext(runbook=where, zone=find_zone(zone), environment=project.environment, **said)
    about = NotificationEvent.RESOLVED if found.state is IncidentState.RESOLVED else NotificationEvent.REPEATED
    told = render_notification("", about, call.site.clock.now(), found, around)
    opening, sees = call.site.opening, call.visitor.may_see
    runs = runs_of_incident(reader, found.id, runs_of(found))
    return IncidentShown(
        incident=found,
        moves=stored.moves(reader, found.id),
        alerts=stored.alerts(reader, found.id),
        fields=list(told.fields),
        runs=[opening.row(one) for one in runs if sees(one.automation)],
        members=stored.members_of(reader, found.id),
        parts=[one for one in parts_of(reader, found.id) if sees(one.subject.automation or None)],
        runbook=runbook,
        zone=zone,
    )


def _definition(call: AnyCall, name: str) -> Definition | None:
    views = automations(call.site.reader, name) if name else []
    return definition_of(views[0]) if views else None


def _runbook(call: AnyCall, incident: Incident, definition: Definition | None) -> RunbookShown | None:
    name = incident.subject.automation
    runbooks = RunbookFinder(call.site.settings)
    found = runbooks.of(name, definition, incident) if name else None
    return None if found is None else RunbookShown(found.where, runbooks.words(found))


def errors(call: Call[ErrorsQuery, None]) -> Page[ErrorView]:
    """List what runs failed by, a line for each cause, the newest first."""
    query = call.query
    found = stored.errors(
        call.site.reader,
        query.automation,
        error=query.error,
        since_at=ms(query.since),
        state=query.state,
        limit=query.limit if call.visitor.is_for_all else _MOST,
    )
    return Page([one for one in found if call.visitor.may_see(one.automation)][: query.limit])


def alerts(call: Call[AlertsQuery, None]) -> Page[AlertView]:
    """List what was or is to be told to channels, the newest first."""
    query = call.query
    at_once = query.limit + 1 if call.visitor.is_for_all else _MOST
    found = stored.alerts(
        call.site.reader,
        channel=query.channel,
        state=query.state,
        since_at=ms(query.since),
        limit=at_once,
        cursor=query.cursor,
    )
    seen = [one for one in found if call.visitor.may_see(one.automation or None)]
    shown = seen[: query.limit]
    last = shown[-1] if len(seen) > query.limit else found[-1] if len(found) == at_once else None
    return Page(shown, None if last is None else str(last.seq))


def acknowledge(call: Call[None, Acknowledge]) -> Done:
    """Say that somebody looks after it, for a time or until it is over: it is repeated no more, and resolves by itself."""
    now, until_at = call.site.clock.now(), ms(call.body.until)
    return _done(call, lambda id, act: acts_on.acknowledge(call.site.store, id, act=act, until_at=until_at, now=now))


def snooze(call: Call[None, Snooze]) -> Done:
    """Say no more of it for a while; that it is resolved is told all the same."""
    now, until_at = call.site.clock.now(), ms(call.body.until) or 0
    return _done(call, lambda id, act: acts_on.snooze(call.site.store, id, until_at, now=now, act=act))


def resolve(call: Call[None, Because]) -> Done:
    """Say that it is over, and that the failed runs that are its members now are decided; a later failure opens it again, without them."""
    return _done(call, lambda id, act: acts_on.resolve(call.site.store, id, act=act))


def _done(call: AnyCall, do: Callable[[str, Act], None]) -> Done:
    act = call.act()
    do(_named(call).id, act)
    return Done(act.command)


def _named(call: AnyCall) -> Incident:
    """Return the incident that the path names. Raises NotFoundError."""
    id = call.id_of(IdKind.INCIDENT, call.names["incident"])
    found = stored.incident(call.site.reader, id)
    if found is None or not call.visitor.may_see(found.subject.automation or None):
        call.missing("incident", id)
    return found


ROUTES = (
    reads("incidents.listed", "/incidents", listed, Page[Incident], query=IncidentsQuery),
    reads("incidents.shown", "/incidents/{incident}", shown, IncidentShown),
    acts("incidents.acknowledge", "/incidents/{incident}/acknowledge", acknowledge, Acknowledge, Done),
    acts("incidents.snooze", "/incidents/{incident}/snooze", snooze, Snooze, Done),
    acts("incidents.resolve", "/incidents/{incident}/resolve", resolve, Because, Done),
    reads("incidents.alerts", "/alerts", alerts, Page[AlertView], query=AlertsQuery),
    reads("incidents.errors", "/errors", errors, Page[ErrorView], query=ErrorsQuery),
)

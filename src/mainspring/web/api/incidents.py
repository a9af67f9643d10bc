"""What is wrong: incidents with what became of them and what was told, errors by their cause; acknowledge, snooze, resolve."""

from collections.abc import Callable

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.incident import Incident, IncidentKind
from mainspring.domain.states import AlertState, IncidentState, RunState
from mainspring.service import incident as acts_on
from mainspring.service.actor import Act
from mainspring.store.reads import incidents as stored
from mainspring.store.reads.incidents import AlertView, ErrorView, MoveView
from mainspring.web.api.bodies import Because, Done, Limit, Number, Slice, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Instant, Page

_MOST = 10_000


class IncidentsQuery(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents: in one of these states (left out: all that are not resolved), of this automation or kind, changed since.

    `folded` = those too that are part of a storm.
    """

    state: tuple[IncidentState, ...] = ()
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


class IncidentShown(msgspec.Struct, frozen=True):
    """An incident, what became of it, and what was or is to be told of it."""

    incident: Incident
    moves: list[MoveView]
    alerts: list[AlertView]


class Snooze(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`until` = when it may be told again; at most 30 days away."""

    until: Instant


def listed(call: Call[IncidentsQuery, None]) -> Page[Incident]:
    """List incidents, the newest change first."""
    query = call.query
    wrong = bool(set(query.state) <= {IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED})
    found = stored.incidents(
        call.site.reader,
        automation=query.automation,
        wrong=wrong,
        since_at=ms(query.since),
        apart=not query.folded,
        limit=_MOST,
    )
    before = None if query.cursor is None else _place(query.cursor)
    rows = [
        one
        for one in found
        if call.visitor.may_see(one.subject.automation or None)
        and (not query.state or one.state in query.state)
        and (not query.kind or one.subject.kind in query.kind)
        and (before is None or (one.changed_at, one.id) < before)
    ]
    rows.sort(key=lambda one: (one.changed_at, one.id), reverse=True)
    shown = rows[: query.limit]
    return Page(shown, f"{shown[-1].changed_at}.{shown[-1].id}" if len(rows) > query.limit else None)


def _place(cursor: str) -> tuple[int, str]:
    at, dot, id = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdecimal():
        raise ArgumentError(f"{cursor!r} is no cursor of incidents", hint="Take `next` of the part before.")
    return int(at), id


def shown(call: AnyCall) -> IncidentShown:
    """Show an incident: by what it was judged, what became of it, who was told."""
    found = _named(call)
    reader = call.site.reader
    return IncidentShown(found, stored.moves(reader, found.id), stored.alerts(reader, found.id))


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
    found = stored.alerts(
        call.site.reader,
        channel=query.channel,
        state=query.state,
        since_at=ms(query.since),
        limit=query.limit + 1 if call.visitor.is_for_all else _MOST,
        cursor=query.cursor,
    )
    seen = [one for one in found if call.visitor.may_see(one.automation or None)]
    shown = seen[: query.limit]
    return Page(shown, str(shown[-1].seq) if len(seen) > query.limit else None)


def acknowledge(call: Call[None, Because]) -> Done:
    """Say that somebody looks after it: it is repeated no more, and resolves by itself."""
    return _done(call, lambda id, act: acts_on.acknowledge(call.site.store, id, act=act))


def snooze(call: Call[None, Snooze]) -> Done:
    """Say no more of it for a while; that it is resolved is told all the same."""
    now, until_at = call.site.clock.now(), ms(call.body.until) or 0
    return _done(call, lambda id, act: acts_on.snooze(call.site.store, id, until_at, now=now, act=act))


def resolve(call: Call[None, Because]) -> Done:
    """Say that it is over; a watcher that finds it again reopens it."""
    return _done(call, lambda id, act: acts_on.resolve(call.site.store, id, act=act))


def _done(call: AnyCall, do: Callable[[str, Act], None]) -> Done:
    act = call.act()
    do(_named(call).id, act)
    return Done(act.command)


def _named(call: AnyCall) -> Incident:
    """Return the incident that the path names. Raises NotFoundError."""
    id = call.names["incident"]
    found = stored.incident(call.site.reader, id)
    if found is None or not call.visitor.may_see(found.subject.automation or None):
        call.missing("incident", id)
    return found


ROUTES = (
    reads("/incidents", listed, Page[Incident], query=IncidentsQuery),
    reads("/incidents/{incident}", shown, IncidentShown),
    acts("/incidents/{incident}/acknowledge", acknowledge, Because, Done),
    acts("/incidents/{incident}/snooze", snooze, Snooze, Done),
    acts("/incidents/{incident}/resolve", resolve, Because, Done),
    reads("/alerts", alerts, Page[AlertView], query=AlertsQuery),
    reads("/errors", errors, Page[ErrorView], query=ErrorsQuery),
)

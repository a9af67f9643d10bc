"""Published events: list, show and publish them."""

from typing import Any

import msgspec

from mainspring.store.read.short_ids import IdKind
from mainspring.store.read.status.status import event as stored_event
from mainspring.store.read.status.status import events as stored_events
from mainspring.store.read.status.status import receivers_of_event
from mainspring.store.read.triggers import deliveries_of_event
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.views import EventView, GivenRun
from mainspring.web.api.bodies import CommitOrderQuery, OperationRequest, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.page_size import limit_page_bytes
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


class EventsQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of events: only those of this name."""

    name: Word | None = None


class EventDetail(msgspec.Struct, frozen=True):
    """An event, the runs that received it (at most 100), and its deliveries: one for each trigger whose condition its data met."""

    event: EventView
    runs: list[GivenRun]
    deliveries: list[DeliveryRow]


class PublishEventRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact from outside; the same name and `key` counts once. `headers`: texts by name, at most 8 KiB, for the runs that it starts."""

    name: Word
    data: Any = None
    key: Word | None = None
    headers: dict[str, str] | None = None


class PublishEventResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The event; `woken` = how many runs waited for it."""

    command: str
    event: str
    woken: int


def list_events(call: ApiCall[EventsQuery, None]) -> Page[EventView]:
    """List published events, newest first. If they are large a page has fewer; `next` continues."""
    query, opening = call.query, call.site.opening

    def read(limit: int, cursor: int | None) -> list[EventView]:
        return stored_events(call.site.reader, query.name, limit=limit, cursor=cursor)

    events, next_cursor = limit_page_bytes(query, read, lambda event: event.seq, lambda event: len(event.data))
    return Page([msgspec.structs.replace(event, data=opening.value(event.data)) for event in events], next_cursor)


def show_event(call: AnyApiCall) -> EventDetail:
    """Show an event with its data and the runs that it started."""
    site, id = call.site, call.id_of(IdKind.EVENT, call.names["event"])
    view = stored_event(site.reader, id)
    if view is None:
        call.missing("event", id)
    unsealed = msgspec.structs.replace(view, data=site.opening.value(view.data))
    reader = site.reader
    return EventDetail(unsealed, receivers_of_event(reader, view.id), deliveries_of_event(reader, view.id, view.name))


def publish_event(call: ApiCall[None, PublishEventRequest]) -> PublishEventResponse:
    """Publish an event: each run that waits for it receives it once."""
    body, site, act = call.body, call.site, call.act()
    published = site.engine().publish(body.name, body.data, act=act, key=body.key, headers=body.headers)
    return PublishEventResponse(command=act.command, event=published.id, woken=published.woken)


ROUTES = (
    get_route("events.listed", "/events", list_events, Page[EventView], query=EventsQuery, whole=True),
    get_route("events.shown", "/events/{event}", show_event, EventDetail, whole=True),
    post_route("events.publish", "/events", publish_event, PublishEventRequest, PublishEventResponse, whole=True),
)

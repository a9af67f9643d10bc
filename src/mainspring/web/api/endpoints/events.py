"""Events that were published; publish one."""

from typing import Any

import msgspec

from mainspring.service.triggers import event
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
    """Which events: of this name."""

    name: Word | None = None


class EventDetail(msgspec.Struct, frozen=True):
    """An event, the runs that were given it (at most 100), and its deliveries: one for each trigger whose condition its data met."""

    event: EventView
    runs: list[GivenRun]
    deliveries: list[DeliveryRow]


class PublishEventRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact from outside; the same name and `key` counts once."""

    name: Word
    data: Any = None
    key: Word | None = None


class PublishEventResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The event; `woken` = how many runs waited for it."""

    command: str
    event: str
    woken: int


def list_events(call: ApiCall[EventsQuery, None]) -> Page[EventView]:
    """List events that were published, newest first; of large ones a page holds fewer, `next` goes on."""
    query, opening = call.query, call.site.opening

    def read(limit: int, cursor: int | None) -> list[EventView]:
        return stored_events(call.site.reader, query.name, limit=limit, cursor=cursor)

    found, onward = limit_page_bytes(query, read, lambda one: one.seq, lambda one: len(one.data))
    return Page([msgspec.structs.replace(one, data=opening.value(one.data)) for one in found], onward)


def show_event(call: AnyApiCall) -> EventDetail:
    """Show an event with its data, and what it started."""
    site, id = call.site, call.id_of(IdKind.EVENT, call.names["event"])
    found = stored_event(site.reader, id)
    if found is None:
        call.missing("event", id)
    told = msgspec.structs.replace(found, data=site.opening.value(found.data))
    reader = site.reader
    return EventDetail(told, receivers_of_event(reader, found.id), deliveries_of_event(reader, found.id, found.name))


def publish_event(call: ApiCall[None, PublishEventRequest]) -> PublishEventResponse:
    """Publish an event: each run that waits for it is given it once."""
    body, site, act = call.body, call.site, call.act()
    made = event.publish(site.store, site.clock, body.name, body.data, act=act, key=body.key, sealing=site.sealing)
    return PublishEventResponse(command=act.command, event=made.id, woken=made.woken)


ROUTES = (
    get_route("events.listed", "/events", list_events, Page[EventView], query=EventsQuery, whole=True),
    get_route("events.shown", "/events/{event}", show_event, EventDetail, whole=True),
    post_route("events.publish", "/events", publish_event, PublishEventRequest, PublishEventResponse, whole=True),
)

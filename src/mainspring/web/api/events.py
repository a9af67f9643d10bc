"""Events that were published; publish one."""

from typing import Any

import msgspec

from mainspring.service import event
from mainspring.store.reads.short_ids import IdKind
from mainspring.store.reads.status import event as stored_event
from mainspring.store.reads.status import events as stored_events
from mainspring.store.reads.status import runs_given
from mainspring.store.reads.triggers import deliveries_of_event
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.views import EventView, GivenRun
from mainspring.web.api.bodies import Because, Numbered, Word
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Page
from mainspring.web.api.weighty import within


class EventsQuery(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events: of this name."""

    name: Word | None = None


class EventShown(msgspec.Struct, frozen=True):
    """An event, the runs that were given it (at most 100), and its deliveries: one for each trigger whose condition its data met."""

    event: EventView
    runs: list[GivenRun]
    deliveries: list[DeliveryRow]


class Event(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact from outside; the same name and `key` counts once."""

    name: Word
    data: Any = None
    key: Word | None = None


class EventPublished(msgspec.Struct, frozen=True, kw_only=True):
    """The event; `woken` = how many runs waited for it."""

    command: str
    event: str
    woken: int


def listed(call: Call[EventsQuery, None]) -> Page[EventView]:
    """List events that were published, newest first; of large ones a page holds fewer, `next` goes on."""
    query, opening = call.query, call.site.opening

    def read(limit: int, cursor: int | None) -> list[EventView]:
        return stored_events(call.site.reader, query.name, limit=limit, cursor=cursor)

    found, onward = within(query, read, lambda one: one.seq, lambda one: len(one.data))
    return Page([msgspec.structs.replace(one, data=opening.value(one.data)) for one in found], onward)


def shown(call: AnyCall) -> EventShown:
    """Show an event with its data, and what it started."""
    site, id = call.site, call.id_of(IdKind.EVENT, call.names["event"])
    found = stored_event(site.reader, id)
    if found is None:
        call.missing("event", id)
    told = msgspec.structs.replace(found, data=site.opening.value(found.data))
    reader = site.reader
    return EventShown(told, runs_given(reader, found.id), deliveries_of_event(reader, found.id, found.name))


def publish(call: Call[None, Event]) -> EventPublished:
    """Publish an event: each run that waits for it is given it once."""
    body, site, act = call.body, call.site, call.act()
    made = event.publish(site.store, site.clock, body.name, body.data, act=act, key=body.key, sealing=site.sealing)
    return EventPublished(command=act.command, event=made.id, woken=made.woken)


ROUTES = (
    reads("events.listed", "/events", listed, Page[EventView], query=EventsQuery, whole=True),
    reads("events.shown", "/events/{event}", shown, EventShown, whole=True),
    acts("events.publish", "/events", publish, Event, EventPublished, whole=True),
)

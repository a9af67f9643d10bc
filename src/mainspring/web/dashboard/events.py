"""`/events`: facts that were published, whom they woke and what they started; publish one."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.insight.arrived import value_line, value_text
from mainspring.store.views import EventView
from mainspring.web.api import events
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.events import Event, EventsQuery
from mainspring.web.dashboard.exports import MOST, pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of, tables_of
from mainspring.web.paths import part

_WIDE = 20_000
_LINE = 200


def show(call: Call[EventsQuery, Form | None]) -> View:
    """List events, newest first."""
    found = events.listed(looked(call))
    told = [(one, value_line(one.data, _LINE)) for one in found.items]
    return View("Events", {"events": told, "next": found.next, "query": call.query, "typed": call.body or {}})


def rows(call: Call[EventsQuery, None]) -> Iterator[EventView]:
    """Give them all."""
    return pages_of(call, events.listed, most=MOST)


def show_one(call: AnyCall) -> View:
    """Show an event with its data, and what it started."""
    found = events.shown(looked(call))
    values: dict[str, Any] = {
        "one": found.event,
        "data": value_text(found.event.data, _WIDE),
        "deliveries": found.deliveries,
    }
    values |= {"runs": found.runs}
    return View(f"Event {found.event.name}", values)


def publish(call: Call[Any, Form]) -> str:
    """Publish an event."""
    form = call.body
    name = form.get("name", "").strip()
    if not name:
        raise ArgumentError("an event has a name", hint="It is what runs and triggers listen for.")
    try:
        data = msgspec.json.decode(form.get("data", "").strip() or "null")
    except msgspec.DecodeError as error:
        raise ArgumentError(f"the data is no JSON: {error}", hint='Write {"id": 7}, or nothing.') from None
    body = Event(name=name, data=data, key=form.get("key", "").strip() or None, reason=reason_of(call))
    return f"/events/{part(press(call, events.publish, body).event)}"


PAGES = (
    PageRoute(
        path="/events",
        template="events.html",
        show=show,
        rows=rows,
        query=EventsQuery,
        whole=True,
        nouns=("deliveries", "audit-log"),
        buttons={"publish": Button(Role.OPERATOR, publish)},
    ),
    PageRoute(
        path="/events/{event}",
        template="event.html",
        show=show_one,
        tables=tables_of(events.shown, "runs", "deliveries"),
        whole=True,
        nouns=("deliveries",),
        at="/events",
    ),
)

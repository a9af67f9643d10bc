"""`/events`: published events, the runs that received them and those that they started; publish one."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.insight.triggers.delivery_view import format_value, format_value_line
from mainspring.store.views import EventView
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints import events
from mainspring.web.api.endpoints.events import EventsQuery, PublishEventRequest
from mainspring.web.dashboard.exports import MOST, list_all_pages
from mainspring.web.dashboard.page_route import (
    Form,
    PageButton,
    PageRoute,
    PageView,
    api_call,
    call_api,
    list_tables,
    read_reason,
)
from mainspring.web.server.path_table import path_segment

_PAGE_LIMIT = 20_000
_LINE = 200


def show(call: ApiCall[EventsQuery, Form | None]) -> PageView:
    """List events, newest first."""
    page = events.list_events(api_call(call))
    listed = [(event, format_value_line(event.data, _LINE)) for event in page.items]
    return PageView("Events", {"events": listed, "next": page.next, "query": call.query, "typed": call.body or {}})


def rows(call: ApiCall[EventsQuery, None]) -> Iterator[EventView]:
    """Export all of them."""
    return list_all_pages(call, events.list_events, most=MOST)


def show_one(call: AnyApiCall) -> PageView:
    """Show an event with its data, and what it started."""
    detail = events.show_event(api_call(call))
    values: dict[str, Any] = {
        "event": detail.event,
        "data": format_value(detail.event.data, _PAGE_LIMIT),
        "deliveries": detail.deliveries,
    }
    values |= {"runs": detail.runs}
    return PageView(f"Event {detail.event.name}", values)


def publish_event(call: ApiCall[Any, Form]) -> str:
    """Publish an event."""
    form = call.body
    name = form.get("name", "").strip()
    if not name:
        raise ArgumentError("the name of the event is missing", hint="Runs and triggers wait for events by name.")
    try:
        data = msgspec.json.decode(form.get("data", "").strip() or "null")
    except msgspec.DecodeError as error:
        raise ArgumentError(
            f"the data is not JSON: {error}", hint='Write JSON such as {"id": 7}, or leave it empty.'
        ) from None
    body = PublishEventRequest(name=name, data=data, key=form.get("key", "").strip() or None, reason=read_reason(call))
    return f"/events/{path_segment(call_api(call, events.publish_event, body).event)}"


PAGES = (
    PageRoute(
        path="/events",
        template="triggers/events.html",
        show=show,
        rows=rows,
        query=EventsQuery,
        whole=True,
        nouns=("deliveries", "audit-log"),
        buttons={"publish": PageButton(Role.OPERATOR, publish_event)},
    ),
    PageRoute(
        path="/events/{event}",
        template="triggers/event.html",
        show=show_one,
        tables=list_tables(events.show_event, "runs", "deliveries"),
        whole=True,
        nouns=("deliveries",),
        at="/events",
    ),
)

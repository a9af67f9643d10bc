"""`/deliveries`: what arrived and what became of it; one of them as it came, to be let arrive once more."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access import Role
from mainspring.domain.states import DeliveryState
from mainspring.insight.arrived import headers_of, value_text
from mainspring.store.trigger_views import DeliveryRow
from mainspring.web.api import triggers
from mainspring.web.api.bodies import Because, Numbered, Word
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.shape import Page
from mainspring.web.api.triggers import DeliveriesQuery
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import SPANS, Since, past_moment
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of
from mainspring.web.paths import part

_WIDE = 20_000
"""Characters of a body that a page shows."""


class DeliveriesLooking(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries: for this trigger, in this state, so long ago at most."""

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Since | None = None


class Header(msgspec.Struct, frozen=True):
    """One header of a delivery; those that prove who sent it are not told."""

    name: str
    value: str


def show(call: Call[DeliveriesLooking, Form | None]) -> View:
    """List deliveries, newest first."""
    found = _listed(looked(call))
    values = {"deliveries": found.items, "next": found.next, "query": call.query}
    return View("Deliveries", values | {"states": list(DeliveryState), "spans": SPANS})


def rows(call: Call[DeliveriesLooking, None]) -> Iterator[DeliveryRow]:
    """Give them all."""
    return pages_of(call, _listed)


def show_one(call: AnyCall) -> View:
    """Show a delivery as it came, and what became of it."""
    found = triggers.delivery(looked(call))
    values: dict[str, Any] = {"one": found, "headers": headers_of(found.headers)}
    values["body"] = None if found.body is None else value_text(found.body, _WIDE)
    values["data"] = None if found.data is None else value_text(found.data, _WIDE)
    values["source_is_run"] = found.source is not None and found.source.startswith("r_")
    return View(f"Delivery {found.id}", values)


def headers(call: AnyCall) -> list[Header]:
    """Give the headers that it came with."""
    found = headers_of(triggers.delivery(call).headers)
    return [Header(name, text) for name, text in found.items()]


def replay(call: Call[Any, Form]) -> str:
    """Let it arrive once more."""
    done = press(call, triggers.replay, Because(reason=reason_of(call)))
    return f"/deliveries/{part(done.delivery)}"


def _listed(call: Call[DeliveriesLooking, None]) -> Page[DeliveryRow]:
    query = call.query
    asked = DeliveriesQuery(
        trigger=query.trigger,
        state=query.state,
        since=past_moment(call, query.since),
        limit=query.limit,
        cursor=query.cursor,
    )
    return triggers.deliveries(call.asking(asked))


PAGES = (
    PageRoute(
        path="/deliveries",
        template="deliveries.html",
        show=show,
        rows=rows,
        query=DeliveriesLooking,
        nouns=("deliveries",),
        at="/triggers",
    ),
    PageRoute(
        path="/deliveries/{delivery}",
        template="delivery.html",
        show=show_one,
        tables={"headers": headers},
        nouns=("deliveries",),
        buttons={"replay": Button(Role.OPERATOR, replay)},
        at="/triggers",
    ),
)

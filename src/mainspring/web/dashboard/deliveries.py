"""`/deliveries`: what arrived and what became of it; one of them, or all of a filter, to be let arrive once more."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import DeliveryState
from mainspring.insight.arrived import headers_of, value_text
from mainspring.insight.bulk_words import command_of
from mainspring.store.trigger_views import DeliveryRow
from mainspring.web.api import bulk_acts, triggers
from mainspring.web.api.bodies import Because, Numbered, Word
from mainspring.web.api.bulk_acts import AskedReplay
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.shape import Page
from mainspring.web.api.triggers import DeliveriesQuery
from mainspring.web.dashboard.asked_for_all import Counted, counted, rate_of
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import SPANS, misread_moments, past_moment
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of
from mainspring.web.paths import part

_FILTER = ("trigger", "state", "since", "until", "verified")
_WIDE = 20_000
"""Characters of a body that a page shows."""


class DeliveriesLooking(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, but for `since` and `until`, which may be spans back from now ("24h").

    `ask`, `rate`, `reason` = the replay of all of them that is counted before it is asked for.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Word | None = None
    until: Word | None = None
    verified: Word | None = None
    ask: Literal["replay"] | None = None
    rate: str = ""
    reason: str = ""


class Header(msgspec.Struct, frozen=True):
    """One header of a delivery; those that prove who sent it are not told."""

    name: str
    value: str


def show(call: Call[DeliveriesLooking, Form | None]) -> View:
    """List deliveries, newest first."""
    query, asked = call.query, None
    wrong = misread_moments(call)
    found: Page[DeliveryRow] = Page([]) if wrong else _listed(looked(call))
    if query.ask and not wrong and call.visitor.may(Role.OPERATOR):
        asked = _counted(call)
    values: dict[str, Any] = {
        "deliveries": found.items,
        "next": found.next,
        "query": query,
        "states": list(DeliveryState),
        "spans": SPANS,
        "counted": asked,
        "wrong_at": wrong,
        "filter_fields": [(name, value) for name in _FILTER if (value := getattr(query, name))],
    }
    if asked is not None:
        values["nouns"] = ""  # what was counted stands still until somebody decides
    return View("Deliveries", values, 400 if wrong else 200)


def rows(call: Call[DeliveriesLooking, None]) -> Iterator[DeliveryRow]:
    """Give them all."""
    return pages_of(call, _listed)


def replay_all(call: Call[Any, Form]) -> str:
    """Let all that the filter means arrive once more."""
    asked = _to_replay(call, rate=rate_of(call.body.get("rate", "")), reason=reason_of(call))
    begun = press(call, bulk_acts.replay, asked)
    return f"/bulk/{begun.bulk}"


def _counted(call: Call[DeliveriesLooking, Any]) -> Counted:
    query = call.query
    line = command_of(BulkVerb.REPLAY, {one: getattr(query, one) for one in _FILTER}, query.rate.strip() or None)
    return counted(
        BulkVerb.REPLAY,
        line,
        query.rate,
        lambda rate: press(call, bulk_acts.replay, _to_replay(call, rate=rate, dry_run=True)),
    )


def _to_replay(call: Call[DeliveriesLooking, Any], **rest: Any) -> AskedReplay:
    query = call.query
    since, until = past_moment(call, query.since), past_moment(call, query.until)
    return AskedReplay(
        trigger=query.trigger, state=query.state, since=since, until=until, verified=query.verified, **rest
    )


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
        until=past_moment(call, query.until),
        verified=query.verified,
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
        buttons={"replay": Button(Role.OPERATOR, replay_all)},
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

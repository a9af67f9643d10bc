"""`/triggers`: what automations listen to, whether they do, what arrived; and one of them with what it holds."""

import shlex
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.derived_states import TriggerState
from mainspring.insight.gatherings import gathering_text
from mainspring.store.trigger_views import DeliveryRow
from mainspring.web.api import triggers
from mainspring.web.api.bodies import Limit
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.triggers import DeliveriesQuery, TriggerShown, TriggersQuery
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Form, PageRoute, View, looked, tables_of

_LAST: Limit = 20


class TriggersLooking(TriggersQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which triggers, and how many on one page."""

    limit: Limit = 100


def show(call: Call[TriggersLooking, Form | None]) -> View:
    """List triggers."""
    found = triggers.listed(looked(call))
    values = {"triggers": found.items, "next": found.next, "query": call.query, "states": list(TriggerState)}
    return View("Triggers", values)


def rows(call: Call[TriggersLooking, None]) -> Iterator[TriggerShown]:
    """Give them all."""
    return pages_of(call, triggers.listed)


def show_one(call: AnyCall) -> View:
    """Show a trigger: what it listens to and gives, what it holds and waits for, what came last."""
    found = triggers.shown(looked(call))
    site, line = call.site, found.trigger
    query = DeliveriesQuery(trigger=line.name, limit=_LAST)
    newest = triggers.deliveries(call.asking(query))
    now, zone = site.clock.now(), site.settings.project.timezone
    waits = [(one, gathering_text(one, "", now, zone).strip()) for one in found.gatherings]
    values: dict[str, Any] = {"quoted": shlex.quote(line.name)}
    values |= {
        "one": line,
        "gives": found.gives,
        "held": found.held,
        "waits": waits,
        "deliveries": newest.items,
        "next": newest.next,
        "may_act": call.visitor.may(Role.OPERATOR),
    }
    return View(line.name, values)


def rows_of_one(call: AnyCall) -> Iterator[DeliveryRow]:
    """Give what came for it."""
    name = triggers.shown(call).trigger.name
    return pages_of(call.asking(DeliveriesQuery(trigger=name)), triggers.deliveries)


def _figures(call: AnyCall) -> list[TriggerShown]:
    return [triggers.shown(call).trigger]


PAGES = (
    PageRoute(
        path="/triggers",
        template="triggers.html",
        show=show,
        rows=rows,
        query=TriggersLooking,
        nouns=("deliveries", "automations", "workers"),
    ),
    PageRoute(
        path="/triggers/{trigger}",
        template="trigger.html",
        show=show_one,
        rows=rows_of_one,
        tables={"figures": _figures, **tables_of(triggers.shown, "held", "gatherings")},
        nouns=("deliveries", "automations", "workers"),
        at="/triggers",
    ),
)

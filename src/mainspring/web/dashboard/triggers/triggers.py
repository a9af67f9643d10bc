"""`/triggers`: what automations listen to, whether they do, what arrived; and one of them with what it holds."""

import shlex
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.derived_states import TriggerState
from mainspring.insight.triggers.joined_runs import describe_joined_runs
from mainspring.store.trigger_views import DeliveryRow
from mainspring.web.api.bodies import Limit
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints import triggers
from mainspring.web.api.endpoints.triggers import DeliveriesQuery, TriggersQuery, TriggerStatus
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call, list_tables

_LAST: Limit = 20


class TriggersPageQuery(TriggersQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which triggers, and how many on one page."""

    limit: Limit = 100


def show(call: ApiCall[TriggersPageQuery, Form | None]) -> PageView:
    """List triggers."""
    found = triggers.list_triggers(api_call(call))
    values = {"triggers": found.items, "next": found.next, "query": call.query, "states": list(TriggerState)}
    return PageView("Triggers", values)


def rows(call: ApiCall[TriggersPageQuery, None]) -> Iterator[TriggerStatus]:
    """Give them all."""
    return list_all_pages(call, triggers.list_triggers)


def show_one(call: AnyApiCall) -> PageView:
    """Show a trigger: what it listens to and gives, what it holds and waits for, what came last."""
    found = triggers.show_trigger(api_call(call))
    site, line = call.site, found.trigger
    query = DeliveriesQuery(trigger=line.name, limit=_LAST)
    newest = triggers.list_deliveries(call.with_query(query))
    now, zone = site.clock.now(), site.settings.project.timezone
    waits = [(one, describe_joined_runs(one, "", now, zone).strip()) for one in found.gatherings]
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
    return PageView(line.name, values)


def rows_of_one(call: AnyApiCall) -> Iterator[DeliveryRow]:
    """Give what came for it."""
    name = triggers.show_trigger(call).trigger.name
    return list_all_pages(call.with_query(DeliveriesQuery(trigger=name)), triggers.list_deliveries)


def _list_triggers(call: AnyApiCall) -> list[TriggerStatus]:
    return [triggers.show_trigger(call).trigger]


PAGES = (
    PageRoute(
        path="/triggers",
        template="triggers.html",
        show=show,
        rows=rows,
        query=TriggersPageQuery,
        nouns=("deliveries", "automations", "workers"),
    ),
    PageRoute(
        path="/triggers/{trigger}",
        template="trigger.html",
        show=show_one,
        rows=rows_of_one,
        tables={"figures": _list_triggers, **list_tables(triggers.show_trigger, "held", "gatherings")},
        nouns=("deliveries", "automations", "workers"),
        at="/triggers",
    ),
)

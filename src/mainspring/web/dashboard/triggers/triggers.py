"""`/triggers`: triggers with their sources, states and deliveries; and one of them with what it holds."""

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
    """Filter of triggers, and the size of a page."""

    limit: Limit = 100


def show(call: ApiCall[TriggersPageQuery, Form | None]) -> PageView:
    """List triggers."""
    page = triggers.list_triggers(api_call(call))
    values = {"triggers": page.items, "next": page.next, "query": call.query, "states": list(TriggerState)}
    return PageView("Triggers", values)


def rows(call: ApiCall[TriggersPageQuery, None]) -> Iterator[TriggerStatus]:
    """Export all of them."""
    return list_all_pages(call, triggers.list_triggers)


def show_one(call: AnyApiCall) -> PageView:
    """Show a trigger: its source and data, what it holds and waits for, and its newest deliveries."""
    detail = triggers.show_trigger(api_call(call))
    site, line = call.site, detail.trigger
    query = DeliveriesQuery(trigger=line.name, limit=_LAST)
    newest = triggers.list_deliveries(call.with_query(query))
    now, zone = site.clock.now(), site.settings.project.timezone
    waits = [(joined, describe_joined_runs(joined, "", now, zone).strip()) for joined in detail.gatherings]
    values: dict[str, Any] = {"quoted": shlex.quote(line.name)}
    values |= {
        "trigger": line,
        "gives": detail.gives,
        "held": detail.held,
        "waits": waits,
        "deliveries": newest.items,
        "next": newest.next,
        "may_act": call.visitor.may(Role.OPERATOR),
    }
    return PageView(line.name, values)


def rows_of_one(call: AnyApiCall) -> Iterator[DeliveryRow]:
    """Export its deliveries."""
    name = triggers.show_trigger(call).trigger.name
    return list_all_pages(call.with_query(DeliveriesQuery(trigger=name)), triggers.list_deliveries)


def _list_triggers(call: AnyApiCall) -> list[TriggerStatus]:
    return [triggers.show_trigger(call).trigger]


PAGES = (
    PageRoute(
        path="/triggers",
        template="triggers/triggers.html",
        show=show,
        rows=rows,
        query=TriggersPageQuery,
        nouns=("deliveries", "automations", "workers"),
    ),
    PageRoute(
        path="/triggers/{trigger}",
        template="triggers/trigger.html",
        show=show_one,
        rows=rows_of_one,
        tables={"figures": _list_triggers, **list_tables(triggers.show_trigger, "held", "gatherings")},
        nouns=("deliveries", "automations", "workers"),
        at="/triggers",
    ),
)

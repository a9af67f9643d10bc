"""`/deliveries`: deliveries and their outcomes; replay one of them, or all of a filter."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import DeliveryState
from mainspring.insight.runs.bulk_description import bulk_command
from mainspring.insight.triggers.delivery_view import format_value, read_headers
from mainspring.store.trigger_views import DeliveryRow
from mainspring.web.api.bodies import CommitOrderQuery, OperationRequest, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints import bulk_operations, triggers
from mainspring.web.api.endpoints.bulk_operations import BulkReplayRequest
from mainspring.web.api.endpoints.triggers import DeliveriesQuery
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard.bulk_confirmation import BulkConfirmation, count_targets, read_rate
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason
from mainspring.web.dashboard.time_fields import SPANS, list_time_errors, parse_past
from mainspring.web.server.path_table import path_segment

_FILTER = ("trigger", "state", "since", "until", "verified")
_PAGE_LIMIT = 20_000
"""Characters of a body on a page."""


class DeliveriesPageQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, except that `since` and `until` may be spans back from now ("24h").

    `ask`, `rate`, `reason` = the bulk replay that is counted before it starts.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Word | None = None
    until: Word | None = None
    verified: Word | None = None
    ask: Literal["replay"] | None = None
    rate: str = ""
    reason: str = ""


class DeliveryHeader(msgspec.Struct, frozen=True):
    """One header of a delivery; those that authenticate the sender are left out."""

    name: str
    value: str


def show(call: ApiCall[DeliveriesPageQuery, Form | None]) -> PageView:
    """List deliveries, newest first."""
    query, confirmation = call.query, None
    errors = list_time_errors(call)
    page: Page[DeliveryRow] = Page([]) if errors else _list_page(api_call(call))
    if query.ask and not errors and call.visitor.may(Role.OPERATOR):
        confirmation = _count_replay(call)
    values: dict[str, Any] = {
        "deliveries": page.items,
        "next": page.next,
        "query": query,
        "states": list(DeliveryState),
        "spans": SPANS,
        "counted": confirmation,
        "time_errors": errors,
        "filter_fields": [(name, value) for name in _FILTER if (value := getattr(query, name))],
    }
    if confirmation is not None:
        values["nouns"] = ""  # the counted numbers stay until the person decides
    return PageView("Deliveries", values, 400 if errors else 200)


def rows(call: ApiCall[DeliveriesPageQuery, None]) -> Iterator[DeliveryRow]:
    """Export all of them."""
    return list_all_pages(call, _list_page)


def replay_all(call: ApiCall[Any, Form]) -> str:
    """Replay all deliveries of the filter."""
    request = _replay_request(call, rate=read_rate(call.body.get("rate", "")), reason=read_reason(call))
    started = call_api(call, bulk_operations.start_bulk_replay, request)
    return f"/bulk/{started.bulk}"


def _count_replay(call: ApiCall[DeliveriesPageQuery, Any]) -> BulkConfirmation:
    query = call.query
    line = bulk_command(BulkVerb.REPLAY, {name: getattr(query, name) for name in _FILTER}, query.rate.strip() or None)
    return count_targets(
        BulkVerb.REPLAY,
        line,
        query.rate,
        lambda rate: call_api(call, bulk_operations.start_bulk_replay, _replay_request(call, rate=rate, dry_run=True)),
    )


def _replay_request(call: ApiCall[DeliveriesPageQuery, Any], **options: Any) -> BulkReplayRequest:
    query = call.query
    since, until = parse_past(call, query.since), parse_past(call, query.until)
    return BulkReplayRequest(
        trigger=query.trigger, state=query.state, since=since, until=until, verified=query.verified, **options
    )


def show_one(call: AnyApiCall) -> PageView:
    """Show a delivery as it was received, and its outcome."""
    delivery = triggers.show_delivery(api_call(call))
    values: dict[str, Any] = {"delivery": delivery, "headers": read_headers(delivery.headers)}
    values["body"] = None if delivery.body is None else format_value(delivery.body, _PAGE_LIMIT)
    values["data"] = None if delivery.data is None else format_value(delivery.data, _PAGE_LIMIT)
    values["source_is_run"] = delivery.source is not None and delivery.source.startswith("r_")
    return PageView(f"Delivery {delivery.id}", values)


def headers(call: AnyApiCall) -> list[DeliveryHeader]:
    """Export the headers of a delivery."""
    header_texts = read_headers(triggers.show_delivery(call).headers)
    return [DeliveryHeader(name, text) for name, text in header_texts.items()]


def replay(call: ApiCall[Any, Form]) -> str:
    """Replay a delivery."""
    replayed = call_api(call, triggers.replay_delivery, OperationRequest(reason=read_reason(call)))
    return f"/deliveries/{path_segment(replayed.delivery)}"


def _list_page(call: ApiCall[DeliveriesPageQuery, None]) -> Page[DeliveryRow]:
    query = call.query
    api_query = DeliveriesQuery(
        trigger=query.trigger,
        state=query.state,
        since=parse_past(call, query.since),
        until=parse_past(call, query.until),
        verified=query.verified,
        limit=query.limit,
        cursor=query.cursor,
    )
    return triggers.list_deliveries(call.with_query(api_query))


PAGES = (
    PageRoute(
        path="/deliveries",
        template="triggers/deliveries.html",
        show=show,
        rows=rows,
        query=DeliveriesPageQuery,
        nouns=("deliveries",),
        buttons={"replay": PageButton(Role.OPERATOR, replay_all)},
        at="/triggers",
    ),
    PageRoute(
        path="/deliveries/{delivery}",
        template="triggers/delivery.html",
        show=show_one,
        tables={"headers": headers},
        nouns=("deliveries",),
        buttons={"replay": PageButton(Role.OPERATOR, replay)},
        at="/triggers",
    ),
)

"""`/deliveries`: what arrived and what became of it; one of them, or all of a filter, to be let arrive once more."""

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
"""Characters of a body that a page shows."""


class DeliveriesPageQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class DeliveryHeader(msgspec.Struct, frozen=True):
    """One header of a delivery; those that prove who sent it are not told."""

    name: str
    value: str


def show(call: ApiCall[DeliveriesPageQuery, Form | None]) -> PageView:
    """List deliveries, newest first."""
    query, asked = call.query, None
    wrong = list_time_errors(call)
    found: Page[DeliveryRow] = Page([]) if wrong else _list_page(api_call(call))
    if query.ask and not wrong and call.visitor.may(Role.OPERATOR):
        asked = _count_replay(call)
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
    return PageView("Deliveries", values, 400 if wrong else 200)


def rows(call: ApiCall[DeliveriesPageQuery, None]) -> Iterator[DeliveryRow]:
    """Give them all."""
    return list_all_pages(call, _list_page)


def replay_all(call: ApiCall[Any, Form]) -> str:
    """Let all that the filter means arrive once more."""
    asked = _replay_request(call, rate=read_rate(call.body.get("rate", "")), reason=read_reason(call))
    begun = call_api(call, bulk_operations.start_bulk_replay, asked)
    return f"/bulk/{begun.bulk}"


def _count_replay(call: ApiCall[DeliveriesPageQuery, Any]) -> BulkConfirmation:
    query = call.query
    line = bulk_command(BulkVerb.REPLAY, {one: getattr(query, one) for one in _FILTER}, query.rate.strip() or None)
    return count_targets(
        BulkVerb.REPLAY,
        line,
        query.rate,
        lambda rate: call_api(call, bulk_operations.start_bulk_replay, _replay_request(call, rate=rate, dry_run=True)),
    )


def _replay_request(call: ApiCall[DeliveriesPageQuery, Any], **rest: Any) -> BulkReplayRequest:
    query = call.query
    since, until = parse_past(call, query.since), parse_past(call, query.until)
    return BulkReplayRequest(
        trigger=query.trigger, state=query.state, since=since, until=until, verified=query.verified, **rest
    )


def show_one(call: AnyApiCall) -> PageView:
    """Show a delivery as it came, and what became of it."""
    found = triggers.show_delivery(api_call(call))
    values: dict[str, Any] = {"one": found, "headers": read_headers(found.headers)}
    values["body"] = None if found.body is None else format_value(found.body, _PAGE_LIMIT)
    values["data"] = None if found.data is None else format_value(found.data, _PAGE_LIMIT)
    values["source_is_run"] = found.source is not None and found.source.startswith("r_")
    return PageView(f"Delivery {found.id}", values)


def headers(call: AnyApiCall) -> list[DeliveryHeader]:
    """Give the headers that it came with."""
    found = read_headers(triggers.show_delivery(call).headers)
    return [DeliveryHeader(name, text) for name, text in found.items()]


def replay(call: ApiCall[Any, Form]) -> str:
    """Let it arrive once more."""
    done = call_api(call, triggers.replay_delivery, OperationRequest(reason=read_reason(call)))
    return f"/deliveries/{path_segment(done.delivery)}"


def _list_page(call: ApiCall[DeliveriesPageQuery, None]) -> Page[DeliveryRow]:
    query = call.query
    asked = DeliveriesQuery(
        trigger=query.trigger,
        state=query.state,
        since=parse_past(call, query.since),
        until=parse_past(call, query.until),
        verified=query.verified,
        limit=query.limit,
        cursor=query.cursor,
    )
    return triggers.list_deliveries(call.with_query(asked))


PAGES = (
    PageRoute(
        path="/deliveries",
        template="deliveries.html",
        show=show,
        rows=rows,
        query=DeliveriesPageQuery,
        nouns=("deliveries",),
        buttons={"replay": PageButton(Role.OPERATOR, replay_all)},
        at="/triggers",
    ),
    PageRoute(
        path="/deliveries/{delivery}",
        template="delivery.html",
        show=show_one,
        tables={"headers": headers},
        nouns=("deliveries",),
        buttons={"replay": PageButton(Role.OPERATOR, replay)},
        at="/triggers",
    ),
)

"""Bulk operations on runs or deliveries in the background: start by a filter, list, show, pause, resume and stop them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, check_bulk_rate
from mainspring.domain.states import BulkMove, DeliveryState, RunState
from mainspring.domain.time.rate import parse_rate
from mainspring.domain.values.plain_json import format_iso
from mainspring.service import bulk_operation
from mainspring.service.runs.run_selection import RunSelection, select_runs
from mainspring.service.triggers.delivery_selection import DeliveryFilter, select_deliveries
from mainspring.store.read import bulk_operations
from mainspring.store.read.bulk_operations import BulkPart, BulkView
from mainspring.store.read.short_ids import IdKind
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery, OperationRequest, OperationResponse, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route, post_route

_WITHIN_S = 60.0
_NO_FILTER = {"verb", "reason", "rate", "dry_run"}
_MAX_PAGES = 20
"""Pages of the whole list that are read for those that a visitor sees; `next` continues behind them."""


class BulkOperationRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation on the newest `limit` runs in one of these states (left out: all that the verb fits), of this automation, in this queue,
    that failed by this error (its fingerprint, or its beginning); at a `rate` ("60/m"), or as fast as possible.

    Spans: created from `since` to before `until`; ended, or stopped for a person, from `ended_since` to before `ended_until`.
    """

    verb: Literal["retry", "cancel", "discard", "pause", "resume"]
    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    since: Instant | None = None
    until: Instant | None = None
    ended_since: Instant | None = None
    ended_until: Instant | None = None
    error: Word | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_BULK_PARTS)] | None = None
    rate: Word | None = None
    dry_run: bool = False


class BulkReplayRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replay of the newest `limit` deliveries for this trigger, in this state, received from `since` to before `until`, with this result
    of their verifier (`verified`); at a `rate` ("60/m"), or as fast as possible.
    """

    trigger: Word | None = None
    state: DeliveryState | None = None
    since: Instant | None = None
    until: Instant | None = None
    verified: Word | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_BULK_PARTS)] | None = None
    rate: Word | None = None
    dry_run: bool = False


class BulkOperationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`count` = number of matches; `bulk` = the operation that runs now, None after a dry run. `more` = there are more matches than one
    operation accepts.

    `left_out` = matching deliveries that are not replayed: rejected, undecided, or already replayed.
    """

    bulk: str | None
    count: int
    more: bool
    automations: tuple[str, ...]
    left_out: int = 0


class BulkPartsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of its parts: all, or only the refused ones."""

    refused: bool = False


def start_bulk_operation(call: ApiCall[None, BulkOperationRequest]) -> BulkOperationResponse:
    """Start a bulk operation on all runs that match a filter, at a rate; a dry run counts them."""
    body = call.body

    def select() -> RunSelection:
        run_filter = bulk_operation.run_filter_for(
            BulkVerb(body.verb),
            body.state,
            body.limit,
            name=body.name,
            queue=body.queue,
            since_at=to_ms(body.since),
            until_at=to_ms(body.until),
            ended_since_at=to_ms(body.ended_since),
            ended_until_at=to_ms(body.ended_until),
            error=body.error,
        )
        return select_runs(call.site.reads, run_filter, call.visitor.may_view)

    return _start(call, BulkVerb(body.verb), select)


def start_bulk_replay(call: ApiCall[None, BulkReplayRequest]) -> BulkOperationResponse:
    """Start a bulk replay of all deliveries that match a filter, at a rate; a dry run counts them."""
    body = call.body

    def select() -> RunSelection:
        delivery_filter = DeliveryFilter(
            trigger=body.trigger,
            state=body.state,
            since_at=to_ms(body.since) or 0,
            until_at=to_ms(body.until),
            verified=body.verified,
            limit=body.limit or MAX_BULK_PARTS + 1,
        )
        return select_deliveries(call.site.reader, delivery_filter, call.visitor.may_view)

    return _start(call, BulkVerb.REPLAY, select)


def _start(call: ApiCall[None, Any], verb: BulkVerb, select: Callable[[], RunSelection]) -> BulkOperationResponse:
    """Record the operation, unless it is recorded already, or only count."""
    body, act = call.body, call.act()
    rate = None if body.rate is None else parse_rate(body.rate)
    if not body.dry_run and bulk_operation.was_started(call.site.reads, verb, act=act):
        existing = _find_bulk_operation(call, act.command)
        return BulkOperationResponse(
            bulk=existing.id, count=existing.total, more=False, automations=existing.automations
        )
    selection = select()
    check_bulk_rate(rate, len(selection.ids))
    dry_result = BulkOperationResponse(
        bulk=None,
        count=len(selection.ids),
        more=len(selection.ids) > MAX_BULK_PARTS,
        automations=selection.automations,
        left_out=selection.left_out,
    )
    if body.dry_run:
        return dry_result
    bulk = bulk_operation.start_bulk_operation(call.site.store, verb, selection, _filter_of(body), act=act, rate=rate)
    return msgspec.structs.replace(dry_result, bulk=bulk)


def _filter_of(body: BulkOperationRequest | BulkReplayRequest) -> dict[str, Any]:
    """Return the filter as it is stored for people."""
    fields = {name: getattr(body, name) for name in body.__struct_fields__ if name not in _NO_FILTER}
    return {
        name: format_iso(to_ms(value) or 0) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value
    }


def list_bulk_operations(call: ApiCall[CommitOrderQuery, None]) -> Page[BulkView]:
    """List bulk operations, newest first."""
    query, cursor = call.query, call.query.cursor
    views: list[BulkView] = []
    for _ in range(_MAX_PAGES):
        page = bulk_operations.list_bulk_operations(call.site.reader, limit=query.limit, cursor=cursor)
        views += [view for view in page if _is_visible(call, view)]
        cursor = page[-1].seq if len(page) == query.limit else None
        if cursor is None or len(views) >= query.limit:
            break
    if len(views) > query.limit:
        cursor = views[query.limit - 1].seq
    return Page(views[: query.limit], None if cursor is None else str(cursor))


def show_bulk_operation(call: AnyApiCall) -> BulkView:
    """Show a bulk operation and its progress."""
    return _find_bulk_operation(call, call.names["bulk"])


def _find_bulk_operation(call: AnyApiCall, id: str) -> BulkView:
    view = bulk_operations.read_bulk_operation(call.site.reader, call.id_of(IdKind.BULK, id))
    if view is None or not _is_visible(call, view):
        call.missing("bulk operation", id)
    return view


def list_parts(call: ApiCall[BulkPartsQuery, None]) -> Page[BulkPart]:
    """List the parts of a bulk operation, runs or deliveries, oldest first, with the reasons of refusals."""
    view, query = show_bulk_operation(call), call.query
    parts = bulk_operations.bulk_parts(
        call.site.reader, view, refused=query.refused, limit=query.limit + 1, cursor=query.cursor
    )
    page = parts[: query.limit]
    return Page(page, page[-1].id if len(parts) > query.limit else None)


def pause(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Pause a bulk operation."""
    return _control(call, BulkMove.PAUSE)


def resume(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Resume a paused bulk operation."""
    return _control(call, BulkMove.RESUME)


def stop(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Stop a bulk operation for good: what was done stays done, the rest is not done."""
    return _control(call, BulkMove.STOP)


def _control(call: ApiCall[None, OperationRequest], move: BulkMove) -> OperationResponse:
    view, act = show_bulk_operation(call), call.act()
    bulk_operation.control_bulk_operation(call.site.store, view.id, move, act=act)
    return OperationResponse(act.command)


def _is_visible(call: AnyApiCall, bulk: BulkView) -> bool:
    """Whether the visitor sees all of its automations; its numbers and its reason concern all of them."""
    return call.visitor.is_for_all or (
        bool(bulk.automations) and all(call.visitor.may_view(name) for name in bulk.automations)
    )


ROUTES = (
    post_route(
        "bulk_operations.begin",
        "/bulk",
        start_bulk_operation,
        BulkOperationRequest,
        BulkOperationResponse,
        within_s=_WITHIN_S,
    ),
    post_route(
        "bulk_operations.replay",
        "/deliveries/replay",
        start_bulk_replay,
        BulkReplayRequest,
        BulkOperationResponse,
        within_s=_WITHIN_S,
    ),
    get_route("bulk_operations.listed", "/bulk", list_bulk_operations, Page[BulkView], query=CommitOrderQuery),
    get_route("bulk_operations.shown", "/bulk/{bulk}", show_bulk_operation, BulkView),
    get_route("bulk_operations.parts", "/bulk/{bulk}/parts", list_parts, Page[BulkPart], query=BulkPartsQuery),
    post_route("bulk_operations.pause", "/bulk/{bulk}/pause", pause, OperationRequest, OperationResponse),
    post_route("bulk_operations.resume", "/bulk/{bulk}/resume", resume, OperationRequest, OperationResponse),
    post_route("bulk_operations.stop", "/bulk/{bulk}/stop", stop, OperationRequest, OperationResponse),
)

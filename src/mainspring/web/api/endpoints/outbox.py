"""The outbox: messages of steps that no broker has accepted yet; send again or discard them."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from mainspring.service.actor import OperationContext
from mainspring.service.runs.bulk import BulkAnswer
from mainspring.service.triggers import outbox
from mainspring.store.read.outbox import OutboxMessage, OutboxQueue, list_outbox_queues, list_refused_messages
from mainspring.store.read.short_ids import IdKind
from mainspring.web.api.bodies import ListQuery, OperationRequest, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints.bulk import BulkResponse, bulk_response
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route

_MOST = 1_000
_WITHIN_S = 60.0


class OutboxRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A selection of messages: those that are named, or `all` = up to 1,000 that a broker rejected."""

    messages: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    all: bool = False
    dry_run: bool = False


def list_queues(call: AnyApiCall) -> Page[OutboxQueue]:
    """List the broker queues with unsent messages, the longest waiting first; at most 1,000."""
    return Page(list_outbox_queues(call.site.reader, _MOST))


def list_refused(call: ApiCall[ListQuery, None]) -> Page[OutboxMessage]:
    """List messages that their broker refused and that need a person."""
    return slice_rows(list_refused_messages(call.site.reader, _MOST), lambda message: message.id, call.query)


def send_again(call: ApiCall[None, OutboxRequest]) -> BulkResponse:
    """Send refused messages again, each in its old order."""
    return _apply_to_messages(
        call, lambda ids, act: outbox.resend_each(call.site.store, ids, act=act, dry_run=call.body.dry_run)
    )


def discard(call: ApiCall[None, OutboxRequest]) -> BulkResponse:
    """Discard messages that were not sent."""
    return _apply_to_messages(
        call, lambda ids, act: outbox.discard_each(call.site.store, ids, act=act, dry_run=call.body.dry_run)
    )


def _apply_to_messages(
    call: ApiCall[None, OutboxRequest], operation: Callable[[list[str], OperationContext], BulkAnswer]
) -> BulkResponse:
    body, act = call.body, call.act()
    if body.all:
        ids = [message.id for message in list_refused_messages(call.site.reader, _MOST)]
    else:
        ids = [call.id_of(IdKind.MESSAGE, text) for text in body.messages]
    result = operation(ids, act)
    return bulk_response(act.command, result)


ROUTES = (
    get_route("outbox.listed", "/outbox", list_queues, Page[OutboxQueue], whole=True),
    get_route("outbox.refused", "/outbox/messages", list_refused, Page[OutboxMessage], query=ListQuery, whole=True),
    post_route(
        "outbox.send_again",
        "/outbox/messages/send-again",
        send_again,
        OutboxRequest,
        BulkResponse,
        whole=True,
        within_s=_WITHIN_S,
    ),
    post_route(
        "outbox.discard",
        "/outbox/messages/discard",
        discard,
        OutboxRequest,
        BulkResponse,
        whole=True,
        within_s=_WITHIN_S,
    ),
)

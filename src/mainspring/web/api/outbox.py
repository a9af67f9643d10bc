"""What steps sent and no broker has yet: what is in the way; send again, discard."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from mainspring.service import outbox
from mainspring.service.actor import Act
from mainspring.service.bulk import BulkAnswer
from mainspring.store.reads.outbox import OutboxMessage, OutboxQueue, list_outbox_queues, list_refused_messages
from mainspring.store.reads.short_ids import IdKind
from mainspring.web.api.bodies import Because, Slice, Word, slice_of
from mainspring.web.api.bulk import Answered, answered
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Page

_MOST = 1_000
_WITHIN_S = 60.0


class Messages(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages: those that are named, or `all` of at most 1,000 that a broker refused."""

    messages: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    all: bool = False
    dry_run: bool = False


def listed(call: AnyCall) -> Page[OutboxQueue]:
    """List the queues of brokers that hold something unsent, the longest waiting first; at most 1,000."""
    return Page(list_outbox_queues(call.site.reader, _MOST))


def refused(call: Call[Slice, None]) -> Page[OutboxMessage]:
    """List messages that their broker refused: they wait for a person."""
    return slice_of(list_refused_messages(call.site.reader, _MOST), lambda one: one.id, call.query)


def send_again(call: Call[None, Messages]) -> Answered:
    """Let messages be sent again, each in its old place."""
    return _each(
        call, lambda ids, act: outbox.send_each_again(call.site.store, ids, act=act, dry_run=call.body.dry_run)
    )


def discard(call: Call[None, Messages]) -> Answered:
    """Forget messages that were not sent."""
    return _each(call, lambda ids, act: outbox.discard_each(call.site.store, ids, act=act, dry_run=call.body.dry_run))


def _each(call: Call[None, Messages], do: Callable[[list[str], Act], BulkAnswer]) -> Answered:
    body, act = call.body, call.act()
    if body.all:
        ids = [one.id for one in list_refused_messages(call.site.reader, _MOST)]
    else:
        ids = [call.id_of(IdKind.MESSAGE, text) for text in body.messages]
    done = do(ids, act)
    return answered(act.command, done)


ROUTES = (
    reads("outbox.listed", "/outbox", listed, Page[OutboxQueue], whole=True),
    reads("outbox.refused", "/outbox/messages", refused, Page[OutboxMessage], query=Slice, whole=True),
    acts(
        "outbox.send_again",
        "/outbox/messages/send-again",
        send_again,
        Messages,
        Answered,
        whole=True,
        within_s=_WITHIN_S,
    ),
    acts("outbox.discard", "/outbox/messages/discard", discard, Messages, Answered, whole=True, within_s=_WITHIN_S),
)

"""Operations on messages of the outbox: send again, discard."""

from collections.abc import Sequence

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.service.runs.bulk import BulkAnswer, apply_to_each
from mainspring.store.base import Store
from mainspring.store.commands.outbox import DiscardMessage, RetryMessage


def resend(store: Store, message: str, *, act: OperationContext) -> None:
    """Send a message again that its broker refused, in its old place.

    Raises:
        NotFoundError: it was sent meanwhile, or never there.
    """
    perform(store, act, "send again", f"message:{message}", RetryMessage(message))


def discard(store: Store, message: str, *, act: OperationContext) -> None:
    """Discard a message that was not sent.

    Raises:
        NotFoundError: it was sent meanwhile, or never there.
    """
    perform(store, act, "discard", f"message:{message}", DiscardMessage(message))


def resend_each(store: Store, messages: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Send each of the messages again."""
    return apply_to_each(
        messages, lambda message_id: resend(store, message_id, act=act.part(message_id)), dry_run=dry_run
    )


def discard_each(store: Store, messages: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Discard each of the messages."""
    return apply_to_each(
        messages, lambda message_id: discard(store, message_id, act=act.part(message_id)), dry_run=dry_run
    )

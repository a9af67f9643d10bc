"""Handlers of the commands in `store/commands/outbox.py`."""

from typing import Final

from mainspring.store.commands.outbox import DiscardMessage, LeaseQueues, RetryMessage, SettleQueue
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import outbox

HANDLERS: Final[HandlerTable] = dict(
    (
        LeaseQueues.answered_by(outbox.lease_queues),
        SettleQueue.answered_by(outbox.settle_queue),
        RetryMessage.answered_by(outbox.retry_message),
        DiscardMessage.answered_by(outbox.discard_message),
    )
)

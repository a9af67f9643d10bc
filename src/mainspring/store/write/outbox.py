"""The outbox: messages of steps to brokers. One Sender at a time leases a queue; a message is deleted when its broker
has acknowledged it.
"""

import json
from collections.abc import Sequence

from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import MessageState
from mainspring.store.commands.outbox import (
    DiscardMessage,
    LeasedQueue,
    LeasedQueues,
    LeaseQueues,
    RetryMessage,
    SettleQueue,
    UnsentMessage,
)
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.transaction import Transaction
from mainspring.store.write.held_store import is_store_on_hold

MOST_BYTES = 1024 * 1024
"""Maximum bytes of one queue's messages in a lease, except for a single larger one."""


def row_of(tx: Transaction, run: str, ident: str, message: QueuedMessage) -> tuple[object, ...]:
    """Return a message as its row."""
    m = message
    return (m.id, m.queue, MessageState.UNSENT.value, m.key, m.body, int(m.is_raw), m.headers, run, ident, tx.now)


def insert_message(tx: Transaction, run: str, ident: str, posts: Sequence[QueuedMessage]) -> None:
    """Insert the messages of a step. A known id is the same message, from before a person let the step run again."""
    for message in posts:
        tx.change("insert_message", row_of(tx, run, ident, message))
        tx.triggers = True


def lease_queues(tx: Transaction, command: LeaseQueues) -> LeasedQueues:
    """Lease queues with unsent messages; none while a restored store is on hold: a person may first record that they
    were sent.
    """
    c = command
    if is_store_on_hold(tx):
        return LeasedQueues(())
    tx.hold("outbox_leases")
    leased_queues = tx.all("list_leased_outbox_queues", (c.lease,)) if tx.again else []
    if not leased_queues:
        leased_queues = tx.all("list_queues_to_send", (tx.now, c.queues))
        for queue, _ in leased_queues:
            tx.change("lease_outbox_queue", (queue, c.lease, tx.session, tx.now + c.lease_ms))
    return LeasedQueues(
        tuple(LeasedQueue(queue, failures, _messages(tx, queue, c.messages)) for queue, failures in leased_queues)
    )


def _messages(tx: Transaction, queue: str, most: int) -> tuple[UnsentMessage, ...]:
    rows = tx.all("list_unsent_messages", (queue, most, MOST_BYTES))
    return tuple(
        UnsentMessage(seq, name, body, bool(is_raw), key, headers) for seq, name, body, is_raw, key, headers in rows
    )


def settle_queue(tx: Transaction, command: SettleQueue) -> CommandDone:
    """Delete sent messages, mark refused ones, end the lease of the queue. Sent messages count as sent, whichever process has the
    lease now.
    """
    c = command
    if c.sent:
        tx.change("delete_sent_messages", (c.queue, json.dumps(c.sent)))
    for refusal in c.refused:
        tx.change("refuse_message", (refusal.fault, refusal.seq, c.queue))
    if c.away is None:
        tx.change("delete_outbox_lease", (c.queue, c.lease))
    else:
        tx.change(
            "postpone_outbox_queue", (tx.now + c.retry_after_ms, int(bool(c.sent)), tx.now, c.away, c.queue, c.lease)
        )
    return DONE


def retry_message(tx: Transaction, command: RetryMessage) -> CommandDone | Refused:
    """Send a refused message again, in its old place."""
    tx.change("retry_message", (command.id,))
    row = tx.first("find_message", (command.id,))
    if row is None:
        return Refused("not_found", f"no message {command.id} waits to be sent")
    tx.triggers = True
    return DONE


def discard_message(tx: Transaction, command: DiscardMessage) -> CommandDone | Refused:
    """Delete a message that was not sent."""
    if tx.change("discard_message", (command.id,)):
        return DONE
    return Refused("not_found", f"no message {command.id} waits to be sent")

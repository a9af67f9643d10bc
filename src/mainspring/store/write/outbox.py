"""The outbox: what steps send to brokers. A queue is one Sender's at a time; a message goes when its broker has acknowledged it."""

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
"""So much of one queue's messages is handed out at a time, but for a single larger one."""


def row_of(tx: Transaction, run: str, ident: str, message: QueuedMessage) -> tuple[object, ...]:
    """Return a message as its row."""
    m = message
    return (m.id, m.queue, MessageState.UNSENT.value, m.key, m.body, int(m.is_raw), m.headers, run, ident, tx.now)


def insert_message(tx: Transaction, run: str, ident: str, posts: Sequence[QueuedMessage]) -> None:
    """Write down what a step sends. What has its id already is the same message, from a time before a person let the step run again."""
    for each in posts:
        tx.change("insert_message", row_of(tx, run, ident, each))
        tx.ready = True  # Senders are woken as workers are


def lease_queues(tx: Transaction, command: LeaseQueues) -> LeasedQueues:
    """Take queues that can be sent to; none of a restored store that is held: a person may first say that they were sent."""
    c = command
    if is_store_on_hold(tx):
        return LeasedQueues(())
    tx.hold("outbox_leases")
    taken = tx.all("list_leased_outbox_queues", (c.lease,)) if tx.again else []
    if not taken:
        taken = tx.all("list_queues_to_send", (tx.now, c.queues))
        for queue, _ in taken:
            tx.change("lease_outbox_queue", (queue, c.lease, tx.session, tx.now + c.lease_ms))
    return LeasedQueues(
        tuple(LeasedQueue(queue, failures, _messages(tx, queue, c.messages)) for queue, failures in taken)
    )


def _messages(tx: Transaction, queue: str, most: int) -> tuple[UnsentMessage, ...]:
    rows = tx.all("list_unsent_messages", (queue, most, MOST_BYTES))
    return tuple(
        UnsentMessage(seq, name, body, bool(is_raw), key, headers) for seq, name, body, is_raw, key, headers in rows
    )


def settle_queue(tx: Transaction, command: SettleQueue) -> CommandDone:
    """Forget what was sent, mark what was refused, give the queue back. What was sent was sent, whoever has the lease now."""
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
    """Let a refused message be sent again, in its old place."""
    tx.change("retry_message", (command.id,))
    row = tx.one("find_message", (command.id,))
    if row is None:
        return Refused("not_found", f"no message {command.id} waits to be sent")
    tx.ready = True
    return DONE


def discard_message(tx: Transaction, command: DiscardMessage) -> CommandDone | Refused:
    """Forget a message that was not sent."""
    if tx.change("discard_message", (command.id,)):
        return DONE
    return Refused("not_found", f"no message {command.id} waits to be sent")

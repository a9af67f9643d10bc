"""Reads of the outbox: for the Sender, and for people."""

import msgspec

from mainspring.domain.states import MessageState
from mainspring.store.base import StoreReader
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.schema.row import first_value
from mainspring.store.transaction import Rows
from mainspring.store.views import Capped

_CAP = 1_000


class OutboxQueue(msgspec.Struct, frozen=True):
    """A queue with unsent messages: since when the oldest waits, and what blocks it, since when.

    `due_at` = when it is tried again; 0 = now.
    """

    name: str
    oldest_at: int
    failures: int
    since_at: int | None
    fault: str | None
    due_at: int


class OutboxMessage(msgspec.Struct, frozen=True):
    """An unsent message. `fault` = why its broker refused it."""

    id: str
    queue: str
    state: MessageState
    run: str
    step: str
    made_at: int
    fault: str | None


class RefusedMessages(msgspec.Struct, frozen=True):
    """How many messages wait for a person; `why` = why the oldest of them was refused."""

    number: Capped
    why: str | None


def can_send(reader: StoreReader, now: int) -> bool:
    """Tell whether a Sender could lease a queue now."""
    if reader.read("read_meta", (HOLD_KEY,)):
        return False
    return bool(reader.read("find_queue_to_send", (now,)))


def list_outbox_queues(reader: StoreReader, limit: int = 100) -> list[OutboxQueue]:
    """Return the queues with unsent messages, the longest waiting first."""
    return [OutboxQueue(*row) for row in reader.read("list_outbox_queues", (limit,))]


def list_refused_messages(reader: StoreReader, limit: int = 100) -> list[OutboxMessage]:
    """Return the messages that wait for a person, oldest first."""
    return _messages(reader.read("list_refused_messages", (limit,)))


def refused_messages(reader: StoreReader, cap: int = _CAP) -> RefusedMessages:
    """Count the messages that wait for a person, up to the cap."""
    number = first_value(reader.read("count_refused_messages", (cap + 1,)), int) or 0
    oldest = list_refused_messages(reader, 1) if number else []
    return RefusedMessages(Capped(min(number, cap), number > cap), oldest[0].fault if oldest else None)


def list_messages_of(reader: StoreReader, run: str, limit: int = 100) -> list[OutboxMessage]:
    """Return the messages of a run that no broker has yet, in order: first those that wait for a person, then the
    unsent ones.
    """
    return _messages(reader.read("list_messages_of", (run, limit)))


def unsent_of(reader: StoreReader, run: str, limit: int = 100) -> list[tuple[str, int]]:
    """Return how many messages of a run are unsent, as (queue, number); the queue of the oldest message first."""
    return [(queue, number) for queue, number in reader.read("count_unsent_of", (run, limit))]


def _messages(rows: Rows) -> list[OutboxMessage]:
    return [OutboxMessage(name, queue, MessageState(state), *rest) for name, queue, state, *rest in rows]

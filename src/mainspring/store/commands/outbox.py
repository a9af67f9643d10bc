"""The outbox: messages of steps on their way to brokers."""

import msgspec

from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, Refused


class UnsentMessage(msgspec.Struct, frozen=True):
    """A message as its Sender gets it: the fields of domain.runs.outbox.QueuedMessage, sealed; `seq` is its position."""

    seq: int
    id: str
    body: bytes
    is_raw: bool
    key: str | None
    headers: bytes | None


class LeasedQueue(msgspec.Struct, frozen=True):
    """A queue that a Sender may send to, with its oldest messages; `failures` = failed tries in a row."""

    name: str
    failures: int
    messages: tuple[UnsentMessage, ...]


class LeasedQueues(msgspec.Struct, frozen=True, tag="leased"):
    """The queues that were leased."""

    queues: tuple[LeasedQueue, ...]


class LeaseQueues(BookkeepingCommand[LeasedQueues], frozen=True):
    """Lease queues of the outbox that hold messages and have no lease, for `lease_ms` from the commit on. Answer:
    LeasedQueues.

    `lease` = an id of this lease; `queues` and `messages` = the maximum of each. A lease ends with its session too.
    """

    lease: str
    lease_ms: int
    queues: int
    messages: int


class MessageRefusal(msgspec.Struct, frozen=True):
    """A message that its broker rejects, and the reason."""

    seq: int
    fault: str


class SettleQueue(StoreCommand[CommandDone], frozen=True):
    """Record the results for a queue's messages, and end its lease. Answer: CommandDone.

    `sent` = messages that the broker has. `away` = why the rest could not be sent; the queue is left alone for
    `retry_after_ms` then.
    """

    lease: str
    queue: str
    sent: tuple[int, ...] = ()
    refused: tuple[MessageRefusal, ...] = ()
    away: str | None = None
    retry_after_ms: int = 0


class RetryMessage(StoreCommand[CommandDone | Refused], frozen=True):
    """Send a rejected message again. Answer: CommandDone, Refused not_found."""

    id: str


class DiscardMessage(StoreCommand[CommandDone | Refused], frozen=True):
    """Discard a message that was not sent. Answer: CommandDone, Refused not_found."""

    id: str

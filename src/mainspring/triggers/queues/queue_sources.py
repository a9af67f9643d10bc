"""What a broker can be asked for, and which part speaks to which broker."""

from collections.abc import Sequence
from typing import Protocol

from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.triggers.queues.queue_address import Broker, BrokerServer
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue

_EXTRAS = {
    Broker.NATS: "nats",
    Broker.AMQP: "amqp",
    Broker.REDIS: "redis",
    Broker.SQS: "aws",
    Broker.POSTGRESQL: "postgres",
}


class QueueSource(Protocol):
    """One connection to one queue. Whatever a call raises, the connection is not used again: `close` it and open another one.

    A message is this reader's until it is acknowledged, given back or set aside, or until `ack_wait` is over since it was fetched or
    kept; then the broker gives it out again.
    """

    async def connect(self) -> None:
        """Connect, and join the group if there is one. Raises ConfigError where only a person can help."""
        ...

    async def fetch(self, limit: int) -> list[QueueMessage]:
        """Return up to `limit` messages, oldest first; wait some seconds for the first one."""
        ...

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Hold messages for another `ack_wait`."""
        ...

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Tell the broker that these are done for ever."""
        ...

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Let the broker give a message out again, after so many seconds where it can wait."""
        ...

    async def set_aside(self, message: QueueMessage, why: str) -> None:
        """Take a message out of the queue without having taken it in: to where the broker keeps such messages, if it has such a place."""
        ...

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a message, and return when the broker has it for good. Sent twice under one key it counts once, where the broker can tell.

        Raises:
            ValueRefusedError: this broker takes no such message; sending it again cannot help.
            Exception: it is not known whether the broker has it: send it again under the same key.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection; never raises for a broker that is away."""
        ...


def open_source(queue: BrokerQueue, server: BrokerServer, group: str | None) -> QueueSource:
    """Return what speaks to this queue, not yet connected. `group` = who reads, None to publish only.

    Raises:
        ConfigError: the library for this broker is not installed.
    """
    try:
        return _build_source(queue, server, group)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("mainspring"):
            raise
        raise ConfigError(
            f"the queue {queue.name!r} on {queue.broker} needs {missing.name}, which is not installed",
            hint=install_command(_EXTRAS[queue.broker]),
        ) from missing


def _build_source(queue: BrokerQueue, server: BrokerServer, group: str | None) -> QueueSource:
    match queue.broker:
        case Broker.NATS:
            from mainspring.triggers.queues.brokers.nats import NatsSource

            return NatsSource(queue, server, group)
        case Broker.AMQP:
            from mainspring.triggers.queues.brokers.amqp import AmqpSource

            return AmqpSource(queue, server, group)
        case Broker.REDIS:
            from mainspring.triggers.queues.brokers.redis import RedisSource

            return RedisSource(queue, server, group)
        case Broker.SQS:
            from mainspring.triggers.queues.brokers.sqs import SqsSource

            return SqsSource(queue, server, group)
        case Broker.POSTGRESQL:
            from mainspring.triggers.queues.brokers.postgres import PostgresSource

            return PostgresSource(queue, server, group)

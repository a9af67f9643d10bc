"""Queue sources: the interface to a broker's queue, and the choice of the implementation."""

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
    """One connection to one queue. After any exception the connection is not used again: `close` it and open another one.

    This reader owns a message until it is acknowledged, given back or set aside, or until `ack_wait` is over since it was fetched or
    kept; then the broker delivers it again.
    """

    async def connect(self) -> None:
        """Connect, and join the group if there is one. Raises ConfigError for errors that only a person can fix."""
        ...

    async def fetch(self, limit: int) -> list[QueueMessage]:
        """Return up to `limit` messages, oldest first; wait some seconds for the first one."""
        ...

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Hold messages for another `ack_wait`."""
        ...

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Acknowledge messages: the broker never delivers them again."""
        ...

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Let the broker deliver a message again, after a delay if it supports one."""
        ...

    async def set_aside(self, message: QueueMessage, reason: str) -> None:
        """Remove a message that was not accepted from the queue: to the broker's dead letter queue, if it has one."""
        ...

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a message, and return when the broker has stored it. Two messages with one key count once, if the broker supports that.

        Raises:
            ValueRefusedError: this broker does not accept such a message; a retry cannot help.
            Exception: it is unknown whether the broker has it: send it again under the same key.
        """
        ...

    async def close(self) -> None:
        """Close the connection; an unreachable broker is no error."""
        ...


def open_source(queue: BrokerQueue, server: BrokerServer, group: str | None) -> QueueSource:
    """Return the source of this queue, not yet connected. `group` = the reading group, None to publish only.

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

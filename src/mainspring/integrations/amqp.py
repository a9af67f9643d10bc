"""RabbitMQ, and other brokers of AMQP 0-9-1: an existing queue, read by a consumer with a prefetch.

A message that is not acknowledged when the connection ends returns to its place in the queue at once.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mainspring.domain.errors import ConfigError
from mainspring.domain.ids import hash_parts
from mainspring.domain.text.escaping import decode_bytes
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import BrokerClient
from mainspring.integrations.base.queue_address import QueueAddressParts

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

_ANSWER_TIMEOUT_S = 5.0
_FETCH_WAIT_S = 5.0
_HEARTBEAT_S = 10
_COALESCE_S = 0.002
"""How long to wait for more messages: those that the broker sends together arrive one by one."""
_BROKER_HEADER_PREFIX = "x-"
_QUEUE = lazy_pattern(r".{1,255}")
_VHOST = lazy_pattern(r"[^/]*")


class AmqpSource:
    """One queue."""

    def __init__(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> None:
        self._queue = queue
        self._server = server
        self._group = group
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._received: asyncio.Queue[AbstractIncomingMessage | str] = asyncio.Queue()
        self._returning: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        from aio_pika.exceptions import ChannelNotFoundEntity

        self._connection = await self._reach()
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._channel.close_callbacks.add(self._ended)
        if self._group is None:
            return
        try:
            found = await self._channel.get_queue(self._queue.name)
        except ChannelNotFoundEntity:
            raise ConfigError(
                f"the broker has no queue {self._queue.name!r} in the virtual host {self._vhost!r}",
                hint="Declare it there as a durable queue, best with x-queue-type=quorum, before Mainspring reads "
                "from it.",
            ) from None
        await self._channel.set_qos(prefetch_count=self._queue.prefetch)
        await found.consume(self._take, timeout=_ANSWER_TIMEOUT_S)

    @property
    def _vhost(self) -> str:
        return self._server.path or "/"

    async def _reach(self) -> "AbstractConnection":
        """Connect to the first of the hosts that answers."""
        import aio_pika

        server, is_tls = self._server, self._server.scheme == "amqps"
        for number, (host, port) in enumerate(server.hosts, 1):
            try:
                return await aio_pika.connect(
                    host=host,
                    port=port or (5671 if is_tls else 5672),
                    login=server.user or "guest",
                    password=server.password or "guest",
                    virtualhost=self._vhost,
                    ssl=is_tls,
                    timeout=_ANSWER_TIMEOUT_S,
                    heartbeat=_HEARTBEAT_S,
                )
            except OSError:
                if number == len(server.hosts):
                    raise
        raise ConnectionError("no host is configured")

    async def _take(self, message: "AbstractIncomingMessage") -> None:
        self._received.put_nowait(message)

    def _ended(self, _channel: object, reason: BaseException | None) -> None:
        self._received.put_nowait(f"the broker closed the channel: {reason}" if reason else "the connection ended")

    async def fetch(self, limit: int) -> list[QueueMessage]:
        found: list[AbstractIncomingMessage] = []
        try:
            async with asyncio.timeout(_FETCH_WAIT_S):
                found.append(_build_message(await self._received.get()))
        except TimeoutError:
            await self._check_queue()
            return []
        if self._received.qsize() + 1 < limit:
            await asyncio.sleep(_COALESCE_S)
        while len(found) < limit and not self._received.empty():
            found.append(_build_message(self._received.get_nowait()))
        return [self._message(message) for message in found]

    async def _check_queue(self) -> None:
        """Check that the queue and its reader still exist: not every broker reports a deleted queue."""
        assert self._channel is not None
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            found = await self._channel.get_queue(self._queue.name)
        if not found.declaration_result.consumer_count:
            raise ConnectionError(f"the broker cancelled this reader of queue {self._queue.name!r}")

    def _message(self, message: "AbstractIncomingMessage") -> QueueMessage:
        headers = {name: _header_text(value) for name, value in message.headers.items()}
        counted = message.headers.get("x-delivery-count")
        subject = message.type or message.routing_key or ""
        return QueueMessage(
            id=message.message_id or self._hash(message, headers),
            body=message.body,
            headers={**headers, **_properties(message)},
            subject=subject,
            published_at=None if message.timestamp is None else int(message.timestamp.timestamp() * 1000),
            redelivered=counted if isinstance(counted, int) else int(bool(message.redelivered)),
            receipt=message,
        )

    @staticmethod
    def _hash(message: "AbstractIncomingMessage", headers: dict[str, str]) -> str:
        """Return the hash that identifies a message without an id: over all that its sender set."""
        own_headers = [
            f"{name}={value}" for name, value in sorted(headers.items()) if not name.startswith(_BROKER_HEADER_PREFIX)
        ]
        words = [
            message.exchange,
            message.routing_key,
            message.type,
            message.correlation_id,
            message.timestamp,
            *own_headers,
        ]
        return hash_parts(message.body, *(str(word or "").encode("utf-8", "surrogatepass") for word in words))

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Do nothing: a message is held as long as the connection lives."""

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        for message in messages:
            await message.receipt.ack()

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Hold it here until the delay is over, because the broker would redeliver it at once."""
        if not after_s:
            await message.receipt.nack(requeue=True)
            return
        task = asyncio.create_task(self._return(message, after_s))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return(self, message: QueueMessage, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self._channel is not None and not self._channel.is_closed:
            await message.receipt.nack(requeue=True)

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Reject it without a redelivery: it goes to the queue's dead letter exchange, if it has one."""
        await message.receipt.reject(requeue=False)

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        import aio_pika
        from aio_pika.exceptions import DeliveryError

        assert self._channel is not None
        message = aio_pika.Message(
            body, headers=dict(headers), message_id=key, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        try:
            await self._channel.default_exchange.publish(message, self._queue.name, timeout=2 * _ANSWER_TIMEOUT_S)
        except DeliveryError as error:
            raise ConnectionError(f"the broker has no queue {self._queue.name!r} for the message") from error

    async def close(self) -> None:
        for task in self._returning:
            task.cancel()
        if self._connection is not None:
            await self._connection.close()


def _build_message(found: "AbstractIncomingMessage | str") -> "AbstractIncomingMessage":
    if isinstance(found, str):
        raise ConnectionError(found)
    return found


def _header_text(value: Any) -> str:
    """Return the value of a header as text; bytes that are no text are escaped."""
    return decode_bytes(bytes(value)) if isinstance(value, bytes | bytearray) else str(value)


def _properties(message: "AbstractIncomingMessage") -> dict[str, str]:
    """Return the properties of a message under names of headers."""
    found = {
        "content-type": message.content_type,
        "correlation-id": message.correlation_id,
        "routing-key": message.routing_key,
        "message-id": message.message_id,
    }
    return {name: str(value) for name, value in found.items() if value}


class AmqpBroker(BrokerClient):
    """Queues of RabbitMQ, and of other brokers that speak AMQP 0-9-1."""

    name = "amqp"
    form = "amqp://USER:{secret:NAME}@HOST:5672/VHOST?queue=QUEUE"
    extra = "amqp"
    queue_parameter = "queue"

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address."""
        queue = parts.parameters("queue").get("queue", "")
        parts.check_host()
        parts.check_path(_VHOST)
        parts.check_name(queue, _QUEUE)
        return QueueAddress(broker=self.name, server=parts.server, name=queue)

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> AmqpSource:
        """Return the source of a queue."""
        import aio_pika  # noqa: F401 - a missing library is reported before the first connection

        return AmqpSource(queue, server, group)


BROKER: Final[BrokerClient] = AmqpBroker()

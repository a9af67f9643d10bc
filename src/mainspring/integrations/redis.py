"""Redis and Valkey: a stream read by a consumer group. A missing group is created, from the start of the stream.

An entry with a field `body` is that body, its other fields are headers; any other entry is the JSON object of its fields. An entry that
was fetched and not acknowledged is claimed when it is idle for `ack_wait`: all readers of a group are one consumer, so no entry is lost
with a reader.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.text.escaping import decode_bytes
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import BrokerClient
from mainspring.integrations.base.queue_address import QueueAddressParts

if TYPE_CHECKING:
    from redis.asyncio import Redis

_ANSWER_TIMEOUT_S = 5.0
_FETCH_WAIT_S = 5.0
_CONSUMER = "mainspring"
_BODY, _MESSAGE_ID = b"body", b"message_id"
_STREAM = lazy_pattern(r".{1,500}")
_DATABASE = lazy_pattern(r"[0-9]{0,4}", re.ASCII)
_Entry = tuple[bytes, dict[bytes, bytes] | None]


class RedisSource:
    """One stream. Messages of a partition come in order: after a lost connection what was out is claimed before anything new is read."""

    def __init__(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> None:
        self._queue = queue
        self._server = server
        self._group = group
        self._client: Redis | None = None
        self._hold_ms = to_milliseconds(queue.ack_wait)
        self._cursor: Any = b"0-0"
        self._claim_at = self._quiet_until = 0.0

    async def connect(self) -> None:
        from redis.exceptions import ResponseError

        self._client = await self._reach()
        if self._group is None:
            return
        try:
            await self._client.xgroup_create(self._queue.name, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        if self._queue.partition is not None:
            pending: Any = await self._client.xpending(self._queue.name, self._group)
            if pending["pending"]:
                self._quiet_until = asyncio.get_running_loop().time() + self._hold_ms / 1000 + 0.1

    async def _reach(self) -> "Redis":
        """Connect to the first of the hosts that answers. Nothing is sent twice by the client: a message would be."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        server = self._server
        for number, (host, port) in enumerate(server.hosts, 1):
            client = Redis(
                host=host,
                port=port or 6379,
                db=int(server.path or 0),
                username=server.user or None,
                password=server.password or None,
                ssl=server.scheme in ("rediss", "valkeys"),
                socket_connect_timeout=_ANSWER_TIMEOUT_S,
                socket_timeout=_FETCH_WAIT_S + _ANSWER_TIMEOUT_S,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                client_name=_CONSUMER,
            )
            try:
                await client.ping()
            except Exception:
                await client.aclose()
                if number == len(server.hosts):
                    raise
            else:
                return client
        raise ConnectionError("no host is configured")

    async def fetch(self, limit: int) -> list[QueueMessage]:
        assert self._client is not None
        now = asyncio.get_running_loop().time()
        if now >= self._claim_at and (found := await self._claim(limit)):
            return found
        if now < self._quiet_until:
            await asyncio.sleep(min(self._quiet_until - now, _FETCH_WAIT_S))
            return []
        wait_ms = min(_FETCH_WAIT_S, self._hold_ms / 1000) * 1000
        answer: Any = await self._client.xreadgroup(
            self._group or "", _CONSUMER, {self._queue.name: ">"}, count=limit, block=round(wait_ms)
        )
        return [self._message(entry, 0) for _, entries in answer or () for entry in entries]

    async def _claim(self, limit: int) -> list[QueueMessage]:
        """Claim messages that were delivered and never acknowledged."""
        assert self._client is not None
        self._cursor, entries, *_ = await self._client.xautoclaim(
            self._queue.name, self._group or "", _CONSUMER, self._hold_ms, start_id=self._cursor, count=limit
        )
        entries = [entry for entry in entries if entry[1] is not None]
        if not entries:
            if self._cursor == b"0-0":
                self._claim_at = asyncio.get_running_loop().time() + min(self._hold_ms / 2000, 1.0)
            return []
        listed: Any = await self._client.xpending_range(
            self._queue.name, self._group or "", min=entries[0][0], max=entries[-1][0], count=10 * limit
        )
        times = {row["message_id"]: row["times_delivered"] for row in listed}
        return [self._message(entry, times.get(entry[0], 2) - 1) for entry in entries]

    @staticmethod
    def _message(entry: _Entry, redelivered: int) -> QueueMessage:
        number, fields = entry[0], entry[1] or {}
        headers = {decode_bytes(name): decode_bytes(value) for name, value in fields.items() if name != _BODY}
        body = fields[_BODY] if _BODY in fields else msgspec.json.encode(headers)
        return QueueMessage(
            id=decode_bytes(fields.get(_MESSAGE_ID) or number),
            body=body,
            headers=headers,
            redelivered=redelivered,
            published_at=int(number.partition(b"-")[0]),  # the entry's id begins with its instant
            receipt=(number, fields),
        )

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        await self._hold([message.receipt[0] for message in messages], 0)

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Keep it with the group, and set its idle time so that it is claimed after this many seconds."""
        await self._hold([message.receipt[0]], max(self._hold_ms - round(after_s * 1000), 0))
        self._claim_at = 0.0

    async def _hold(self, numbers: list[Any], idle_ms: int) -> None:
        assert self._client is not None
        await self._client.xclaim(
            self._queue.name, self._group or "", _CONSUMER, 0, numbers, idle=idle_ms, justid=True
        )  # fmt: skip

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        assert self._client is not None
        await self._client.xack(self._queue.name, self._group or "", *(message.receipt[0] for message in messages))

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Move it to the stream `NAME:set-aside`, with the reason."""
        assert self._client is not None
        number, fields = message.receipt
        async with self._client.pipeline(transaction=True) as both:
            both.xadd(f"{self._queue.name}:set-aside", {**fields, b"set_aside_for": reason.encode(errors="replace")})
            both.xack(self._queue.name, self._group or "", number)
            await both.execute()

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        assert self._client is not None
        plain: dict[Any, Any] = {
            name: value for name, value in headers.items() if name.encode() not in (_BODY, _MESSAGE_ID)
        }
        await self._client.xadd(self._queue.name, {**plain, _MESSAGE_ID: key, _BODY: body})

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


class RedisBroker(BrokerClient):
    """Streams of Redis and Valkey."""

    name = "redis"
    form = "redis://HOST:6379/0?stream=STREAM"
    extra = "redis"
    queue_parameter = "stream"

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address."""
        stream = parts.parameters("stream").get("stream", "")
        parts.check_host()
        parts.check_path(_DATABASE)
        parts.check_name(stream, _STREAM)
        return QueueAddress(broker=self.name, server=parts.server, name=stream)

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> RedisSource:
        """Return the source of a stream."""
        import redis  # noqa: F401 - a missing library is reported before the first connection

        return RedisSource(queue, server, group)


BROKER: Final[BrokerClient] = RedisBroker()

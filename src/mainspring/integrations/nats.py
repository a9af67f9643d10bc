"""NATS JetStream: a durable pull consumer of an existing stream.

This module sends the pulls itself, because the client's own `fetch` may hold messages until its whole time is over. A pull here returns the
messages that are available at once, otherwise the first one that arrives and those that arrive with it.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from mainspring.domain.errors import ConfigError, OptionError, ValueRefusedError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import BrokerClient
from mainspring.integrations.base.queue_address import QueueAddressParts

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_ANSWER_TIMEOUT_S = 5.0
_FETCH_WAIT_S = 5.0
_MAX_HELD_BY_SERVER = 1_000
_MSG_ID = "Nats-Msg-Id"
_STREAM = lazy_pattern(r"[^\s.*>/\\]{1,255}")
_SUBJECT = lazy_pattern(r"[^\s.]+(?:\.[^\s.]+)*")


class NatsSource:
    """One stream. Messages of a partition come in order: after a lost connection nothing new is fetched before what was out comes again."""

    def __init__(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> None:
        from nats.aio.client import Client

        self._queue = queue
        self._server = server
        self._group = group
        self._client = Client()
        self._next = self._inbox = ""
        self._received: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._quiet_until = 0.0

    async def connect(self) -> None:
        server = self._server
        names: dict[str, Any] = {"user": server.user, "password": server.password}
        if server.user and not server.password:
            names = {"token": server.user}
        await self._client.connect(
            [f"{server.scheme}://{f'[{host}]' if ':' in host else host}:{port or 4222}" for host, port in server.hosts],
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connection too
            reconnect_time_wait=0,
            connect_timeout=int(_ANSWER_TIMEOUT_S),
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=_ignore_client_error,
            closed_cb=self._closed,
            **{name: value for name, value in names.items() if value},
        )
        if self._group is not None:
            await self._join(self._group)

    async def _join(self, group: str) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig
        from nats.js.errors import NotFoundError

        stream, queue = self._queue.name, self._queue
        config = ConsumerConfig(
            durable_name=group,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=queue.ack_wait.total_seconds(),
            max_ack_pending=max(_MAX_HELD_BY_SERVER, 2 * queue.prefetch),
            filter_subject=queue.detail or None,
        )
        try:
            info = await self._client.jetstream(timeout=_ANSWER_TIMEOUT_S).add_consumer(stream, config)
        except NotFoundError as error:
            raise ConfigError(
                f"NATS has no stream {stream!r}: {error.description}",
                hint=f"Create it: nats stream add {stream} --subjects {queue.detail or 'SUBJECTS'} --storage file",
            ) from None
        if queue.partition is not None and info.num_ack_pending:
            self._quiet_until = asyncio.get_running_loop().time() + queue.ack_wait.total_seconds()
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{group}"
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(self._inbox, cb=self._take, pending_bytes_limit=-1, pending_msgs_limit=-1)

    async def _take(self, message: "Msg") -> None:
        self._received.put_nowait(message)

    async def _closed(self) -> None:
        self._received.put_nowait(None)

    async def fetch(self, limit: int) -> list[QueueMessage]:
        rest = self._quiet_until - asyncio.get_running_loop().time()
        if rest > 0:
            await asyncio.sleep(min(rest, _FETCH_WAIT_S))
            return []
        found = await self._pull(limit)
        if not found:
            found = await self._pull(1, wait_s=_FETCH_WAIT_S)
            if found and limit > 1:
                found += await self._pull(limit - 1)
        return [self._message(message) for message in found]

    async def _pull(self, limit: int, wait_s: float = 0.0) -> list["Msg"]:
        """Request messages once; the server ends its answer with a status, or with the last requested message."""
        wait_option = {"expires": round(wait_s * 1e9)} if wait_s else {"no_wait": True}
        await self._client.publish(self._next, msgspec.json.encode({"batch": limit, **wait_option}), reply=self._inbox)
        found: list[Msg] = []
        while len(found) < limit:
            try:
                async with asyncio.timeout(wait_s + _ANSWER_TIMEOUT_S):
                    message = await self._received.get()
            except TimeoutError:
                raise ConnectionError("NATS does not answer") from None
            if message is None:
                raise ConnectionError("NATS closed the connection")
            if message.reply.startswith("$JS.ACK."):
                found.append(message)
            elif _is_end(message.headers or {}):
                break
        return found

    def _message(self, message: "Msg") -> QueueMessage:
        about, headers = message.metadata, message.headers or {}
        own = f"{about.stream}:{about.sequence.stream}@{about.timestamp.isoformat()}"
        return QueueMessage(
            id=headers.get(_MSG_ID) or own,
            body=message.data,
            headers=headers,
            subject=message.subject,
            redelivered=max((about.num_delivered or 1) - 1, 0),
            published_at=int(about.timestamp.timestamp() * 1000),
            receipt=message.reply,
        )

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        await self._send_reply(b"+WPI", *messages)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        await self._send_reply(b"+ACK", *messages)

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        await self._send_reply(b"-NAK " + msgspec.json.encode({"delay": round(after_s * 1e9)}), message)

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        await self._send_reply(b"+TERM " + reason.partition("\n")[0].encode(errors="replace")[:200], message)

    async def _send_reply(self, word: bytes, *messages: QueueMessage) -> None:
        for message in messages:
            await self._client.publish(message.receipt, word)
        await self._client.flush(timeout=int(_ANSWER_TIMEOUT_S))

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        subject = self._queue.detail
        if not subject or not _is_single_subject(subject):
            raise ValueRefusedError(
                f"a message for the stream {self._queue.name!r}", "$", "it has no subject of its own",
                hint="Write ?subject= with one subject in the address.",
            )  # fmt: skip
        size = len(body) + sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items()) + 100
        if size + len(key) > self._client.max_payload:
            raise ValueRefusedError(
                f"a message for the stream {self._queue.name!r}", "$", f"NATS accepts {self._client.max_payload} bytes",
                hint="Raise max_payload on the server, or send a reference.",
            )  # fmt: skip
        plain = {name: " ".join(value.split("\r\n")) for name, value in headers.items()}
        await self._client.jetstream(timeout=_ANSWER_TIMEOUT_S).publish(
            subject, body, stream=self._queue.name, headers={**plain, _MSG_ID: key}
        )

    async def close(self) -> None:
        await self._client.close()


def _is_end(status: dict[str, str]) -> bool:
    """Return whether this status ends the answer to a pull; a heartbeat does not. Raises ConnectionError if no pull will be answered."""
    code, text = status.get("Status", ""), status.get("Description", "")
    if code == "100":
        return False
    if code in ("404", "408") or (code == "409" and "Deleted" not in text):
        return True
    raise ConnectionError(f"NATS answers {code} {text} to a pull: is the consumer still there?")


async def _ignore_client_error(_error: Exception) -> None:
    """Ignore an error: the request that it belongs to raises it, and the client would only print it."""


class NatsBroker(BrokerClient):
    """Streams of NATS JetStream. A broker without a stream in its address names it with each queue: STREAM/SUBJECT."""

    name = "nats"
    form = "nats://HOST:4222/STREAM?subject=SUBJECT"
    extra = "nats"
    queue_parameter = "subject"
    example = "x/x"
    accepts_token = True

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address."""
        detail = parts.parameters("subject").get("subject", "")
        stream = unquote(parts.path)
        parts.check_host()
        parts.check_name(stream, _STREAM)
        parts.check_detail(detail, _SUBJECT)
        server = parts.server.removesuffix("/" + parts.path)
        return QueueAddress(broker=self.name, server=server, name=stream, detail=detail)

    def join_address(self, url: str, queue: str) -> str:
        """Return the address of a subject."""
        server, separator, query = url.partition("?")
        server = server.rstrip("/")
        if "/" not in server.partition("://")[2]:
            stream, _, queue = queue.partition("/")
            server = f"{server}/{stream}"
        return super().join_address(f"{server}{separator}{query}", queue)

    def check_target(self, address: QueueAddress) -> None:
        """Refuse an address that does not name one subject: it is read from, not sent to."""
        if not (address.detail and _is_single_subject(address.detail)):
            raise OptionError(
                f"the address lacks the one subject of the messages for the stream {address.name!r}",
                hint=f"Write {self.form}",
            )

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> NatsSource:
        """Return the source of a stream."""
        return NatsSource(queue, server, group)


def _is_single_subject(subject: str) -> bool:
    """Return whether this is the one subject of a message, not a pattern for several."""
    return not {"*", ">"} & set(subject.split("."))


BROKER: Final[BrokerClient] = NatsBroker()

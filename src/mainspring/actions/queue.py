"""Queues of brokers: publish a message with an id that stays the same, in a step through the outbox, elsewhere once for its key."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.actions.base.calling_thread import refuse_body
from mainspring.actions.base.project_settings import CURRENT_SECRETS, current_project
from mainspring.actions.base.sent_once import SentOnce
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import (
    ConfigError,
    NotSent,
    OptionError,
    Permanent,
    Transient,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.runs.outbox import check_message
from mainspring.domain.values.codec import encode
from mainspring.engine.attempts.outbox_api import send
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.brokers import check_queue_name, resolve_queue_address
from mainspring.resources.error_text import ErrorText
from mainspring.triggers.queues.broker_connections import BrokerConnections

__all__ = ["PublishedMessage", "publish", "publish_async"]

_ACTION = "queue.publish"
_ANSWER_TIMEOUT_S = 10.0


class PublishedMessage(msgspec.Struct, frozen=True):
    """A message. `id` = by which the broker and the receiver know it. `is_sent` = False in a step: it leaves with the outcome."""

    id: str
    queue: str
    is_sent: bool


def publish(
    queue: str,
    data: Any,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> PublishedMessage:
    """Publish a message to a queue of a broker, `"NAME/QUEUE"` with NAME from `[brokers]`, or a whole address.

    `key` = the id of the message, if you know a better one. `once`, `within` = the key of the effect in a program; in a step the outbox
    has its place, so that they are refused there.

    Safe to run twice because a step only records the message: it leaves if the step succeeds, by the outbox, as `ms.send` explains. In a
    program the ledger records it under `once=`, and a message of unknown outcome is sent again under the same id. A broker or a receiver
    that knows the id drops it.

    Example:
        queue.publish("orders/orders.created", {"order": 17}, key="order-17")

    Raises:
        ArgumentError, OptionError, ConfigError: the queue, the key, a header or an option cannot be used.
        ValueRefusedError: the data cannot be saved. Permanent: the broker does not accept the message.
        NotSent: the broker cannot be reached. Transient: it is not known whether the broker has it.
    """
    message = _Message(queue, data, key, headers, once, within)
    return message.recorded or message.make_call().perform(message.deliver)


async def publish_async(
    queue: str,
    data: Any,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> PublishedMessage:
    """Publish a message, as `publish` does, in an event loop.

    Safe to run twice because of the same outbox and ledger.
    """
    message = _Message(queue, data, key, headers, once, within)
    return message.recorded or await message.make_call().perform_async(message.deliver)


class _Message:
    """One message. `recorded` = what the outbox of the running step has; None in a program."""

    def __init__(
        self,
        queue: str,
        data: Any,
        key: str | None,
        headers: Mapping[str, str] | None,
        once: str | None,
        within: SpanInput | None,
    ) -> None:
        refuse_body(_ACTION)
        self._queue = queue
        self._key = key
        self._once, self._within = once, within
        self.recorded: PublishedMessage | None = None
        if CURRENT_STEP.get() is not None:
            if once is not None or within is not None:
                raise OptionError(
                    f"once= and within= of {_ACTION} are for programs; a step publishes with its outcome",
                    hint='Name the message: key="order-17".',
                )
            self.recorded = PublishedMessage(self._record(data, headers), queue, is_sent=False)
            return
        self._headers = {} if headers is None else dict(headers)
        check_queue_name(queue)
        check_message(queue, key, self._headers)
        encoded = encode(data, value_name=f"message to {queue}")
        self._body = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else encoded
        self._brokers = current_project().brokers
        resolve_queue_address(queue, self._brokers)
        self._errors = ErrorText(CURRENT_SECRETS)

    def _record(self, data: Any, headers: Mapping[str, str] | None) -> str:
        own = send(self._queue, data, key=self._key, headers=headers)
        return self._key or own

    def make_call(self) -> "SentOnce[PublishedMessage]":
        """Return the call on record."""
        self._call: SentOnce[PublishedMessage] = SentOnce(
            _ACTION,
            PublishedMessage,
            lambda: PublishedMessage(self._key or self._call.message_key, self._queue, is_sent=True),
            once=self._once,
            within=self._within,
            identity={"queue": self._queue, "key": self._key, "sha256": hashlib.sha256(self._body).hexdigest()},
            is_keyed=True,
            errors=self._errors,
        )
        return self._call

    async def deliver(self) -> PublishedMessage:
        """Send it, and return when the broker has stored it."""
        known_as = self._key or self._call.message_key
        connections = BrokerConnections(self._brokers, self._errors.get)
        source = await self._connect(connections)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await source.publish(known_as, self._body, self._headers)
        except ValueRefusedError as error:
            raise Permanent(f"{self._queue} does not accept the message: {self._errors.of(error)}") from None
        except Exception as error:  # noqa: BLE001 - the library of a broker may raise anything
            raise Transient(f"the message to {self._queue} may have been sent: {self._errors.of(error)}") from None
        finally:
            await connections.drop(source)
        return PublishedMessage(known_as, self._queue, is_sent=True)

    async def _connect(self, connections: BrokerConnections) -> QueueSource:
        """Return a connection. What fails here has sent nothing."""
        try:
            return await connections.take(self._queue)
        except (ConfigError, OptionError, UnknownNameError) as error:
            raise Permanent(self._errors.of(error), hint=error.hint) from None
        except Exception as error:  # noqa: BLE001 - the library of a broker may raise anything
            raise NotSent(f"{self._queue} cannot be reached: {self._errors.of(error)}") from None

"""A queue message as its broker delivered it, and the delivery made of it."""

from base64 import b64encode
from typing import Any

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH, make_printable_key
from mainspring.domain.triggers.header_template import headers_by_template_name
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.values.template import expand_template, split_template


class QueueMessage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One message. `id` = the name that its sender or its broker gives it, the same at each redelivery. `group` = the order that its
    broker itself keeps ("" for none). `redelivered` = how often it was delivered before. `published_at` (ms), if broker or sender
    state it. `receipt` = the value that its broker needs for the acknowledgement.
    """

    id: str
    body: bytes
    headers: dict[str, str] = {}
    subject: str = ""
    group: str = ""
    redelivered: int = 0
    published_at: int | None = None
    receipt: Any = None


def make_delivery(queue: BrokerQueue, message: QueueMessage) -> IncomingDelivery:
    """Return the delivery of a message.

    Raises:
        OptionError: a template needs a missing field, or its body is not of the kind that `body` states.
    """
    values = _template_values(queue, message)
    key = message.id if queue.key is None else expand_template(queue.key, values)
    partition = message.group if queue.partition is None else expand_template(queue.partition, values)
    if not key:
        raise OptionError(
            "the key of the message is empty", hint="Choose a key that every message has, or leave it out."
        )
    return IncomingDelivery(
        key=make_printable_key(key),
        body=message.body,
        data=_read_data(queue, message.body),
        headers=_printable_headers(message),
        name=escape(message.subject, 200),
        partition=make_printable_key(partition) if partition else None,
        redelivered=message.redelivered,
        was_stored=True,
        happened_at=message.published_at,
    )


def make_display_delivery(message: QueueMessage) -> IncomingDelivery:
    """Return the delivery that people see of a message that cannot be accepted."""
    headers = {**_printable_headers(message), "message-id": escape(message.id, MAX_KEY_LENGTH)}
    return IncomingDelivery(
        key="-",
        body=message.body,
        headers=headers,
        name=escape(message.subject, 200),
        redelivered=message.redelivered,
    )


def _printable_headers(message: QueueMessage) -> dict[str, str]:
    return {make_printable_key(name.lower()): escape(value) for name, value in message.headers.items() if name}


def _read_data(queue: BrokerQueue, body: bytes) -> bytes | None:
    """Return the JSON that a run gets, None if that is the body."""
    if queue.body == "json":
        return None
    if queue.body == "bytes":
        return msgspec.json.encode(b64encode(body).decode())
    try:
        return msgspec.json.encode(body.decode())
    except UnicodeDecodeError:
        raise OptionError("the body of the message is not text in UTF-8", hint='Read it with body="bytes".') from None


def _template_values(queue: BrokerQueue, message: QueueMessage) -> dict[str, Any]:
    """Return the values of template names; the body is only decoded if a template uses it."""
    values: dict[str, Any] = {
        "id": message.id,
        "subject": message.subject,
        "group": message.group,
        "headers": headers_by_template_name(message.headers),
    }
    named = {name.split(".")[0] for text in (queue.key, queue.partition) if text for _, name, _ in split_template(text)}
    if "body" in named:
        try:
            values["body"] = msgspec.json.decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OptionError(f"the body of the message is not JSON: {error}") from None
    return values

"""The webhook delivery of a genuine request: the value, the key under which it counts once, the kind of event.

Pure, so that a saved request is read again as it was the first time. Headers have lower-case names.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.ids import hash_parts
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH, fits_key, is_key_size, make_printable_key
from mainspring.domain.triggers.header_template import headers_by_template_name
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.webhooks.cloud_event import STRUCTURED_TYPE, CloudEvent, read_cloud_event
from mainspring.domain.triggers.webhooks.stored_headers import select_stored_headers
from mainspring.domain.triggers.webhooks.verifier import (
    BearerVerifier,
    GitHub,
    GitLab,
    HmacVerifier,
    Slack,
    Stripe,
    UnsignedVerifier,
    Verifier,
)
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest, content_type, read_webhook_body
from mainspring.domain.values.template import expand_template

_KNOWN_IDS = ("webhook-id", "idempotency-key")
_VERIFIERS_WITHOUT_ID = (BearerVerifier, HmacVerifier, UnsignedVerifier)
"""Verifiers that do not sign an id in the headers: there the id of a CloudEvent is worth as much as any other."""


class ReadDelivery(NamedTuple):
    """A delivery to store, and its value."""

    arrival: IncomingDelivery
    data: Any


class ImmediateResponse(msgspec.Struct, frozen=True):
    """A request that is answered at once: nothing is stored, nothing starts."""

    body: bytes
    content_type: str = "application/json"


def read_webhook_request(
    webhook: Webhook, body: bytes, headers: Mapping[str, str]
) -> ReadDelivery | ImmediateResponse | InvalidRequest:
    """Return the content of a verified request."""
    value = read_webhook_body(body, headers, forms=not isinstance(webhook.verify, UnsignedVerifier))
    if isinstance(value, InvalidRequest):
        return value
    handshake = _answer_handshake(webhook.verify, headers, value)
    if handshake is not None:
        return handshake
    event = read_cloud_event(headers, value, binary=isinstance(webhook.verify, _VERIFIERS_WITHOUT_ID))
    if isinstance(event, InvalidRequest):
        return event
    data = value if event is None else event.data
    name = _event_name(webhook.verify, headers, value) if event is None else event.type
    key = _delivery_key(webhook, body, headers, data, name, event)
    if isinstance(key, InvalidRequest):
        return key
    is_body = bool(body) and content_type(headers)[0] not in (STRUCTURED_TYPE, "application/x-www-form-urlencoded")
    delivery = IncomingDelivery(
        key=key,
        body=body,
        data=None if is_body else msgspec.json.encode(data),
        headers=select_stored_headers(webhook.verify, headers),
        name=name,
        redelivered=_count_redeliveries(headers),
    )
    return ReadDelivery(delivery, data)


def _answer_handshake(verifier: Verifier, headers: Mapping[str, str], value: Any) -> ImmediateResponse | None:
    """Return the answer to a request that a sender makes when its webhook is set up."""
    if isinstance(verifier, GitHub) and headers.get("x-github-event") == "ping":
        return ImmediateResponse(b'{"ping":"pong"}')
    if isinstance(verifier, Slack) and isinstance(value, dict) and value.get("type") == "url_verification":
        challenge = value.get("challenge")
        return (
            ImmediateResponse(challenge.encode(), "text/plain; charset=utf-8") if isinstance(challenge, str) else None
        )
    return None


def _delivery_key(
    webhook: Webhook, body: bytes, headers: Mapping[str, str], data: Any, name: str, event: CloudEvent | None
) -> str | InvalidRequest:
    if webhook.key is not None:
        try:
            key = expand_template(
                webhook.key, {"headers": headers_by_template_name(headers), "data": data, "name": name}
            )
        except OptionError as error:
            return InvalidRequest(422, "no_key", error.message)
    elif event is not None:
        key = f"{event.source} {event.id}"
    else:
        key = _sender_key(webhook.verify, headers, data)
        if not key and not body:
            return InvalidRequest(
                422, "no_key", "nothing tells this delivery from the next one: send a header Idempotency-Key"
            )
        key = key or hash_parts(body)
    if webhook.key is None:
        key = make_printable_key(key)  # an id of the sender's own is no reason to refuse its delivery
    if not fits_key(key) or not key.isprintable() or not key.strip():
        return InvalidRequest(
            422, "no_key", f"the key of a delivery has 1 to {MAX_KEY_LENGTH:,} printable characters, 2,000 bytes"
        )
    return key


def _sender_key(verifier: Verifier, headers: Mapping[str, str], data: Any) -> str:
    """Return the id under which this kind of sender sends a delivery again, "" if there is none."""
    match verifier:
        case GitHub():
            return headers.get("x-github-delivery", "")
        case GitLab():
            return headers.get("idempotency-key", "")
        case Stripe():
            return _text_field(data, "id")
        case Slack():
            return _text_field(data, "event_id") or _text_field(data, "trigger_id")
        case _:
            return next((headers[name].strip('"') for name in _KNOWN_IDS if headers.get(name)), "")


def _event_name(verifier: Verifier, headers: Mapping[str, str], data: Any) -> str:
    """Return the kind of event that the sender states."""
    match verifier:
        case GitHub():
            name = headers.get("x-github-event", "")
        case GitLab():
            name = headers.get("x-gitlab-event", "")
        case Slack():
            name = _text_field(data.get("event"), "type") if isinstance(data, dict) else ""
            name = name or _text_field(data, "type") or _text_field(data, "command")
        case _:
            name = _text_field(data, "type")
    return name if name.isprintable() and is_key_size(name) else ""


def _text_field(data: Any, field: str) -> str:
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _count_redeliveries(headers: Mapping[str, str]) -> int:
    count = headers.get("x-slack-retry-num", "")
    return int(count) if count.isascii() and count.isdigit() and len(count) <= 6 else 0

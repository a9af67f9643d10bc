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
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest, content_type, read_webhook_body
from mainspring.domain.values.template import expand_template
from mainspring.integrations.base.webhook_verifier import ImmediateResponse, WebhookVerifier
from mainspring.integrations.verifiers import find_verifier
from mainspring.integrations.webhooks.stored_headers import select_stored_headers


class ReadDelivery(NamedTuple):
    """A delivery to store, and its value."""

    delivery: IncomingDelivery
    data: Any


def read_webhook_request(
    webhook: Webhook, body: bytes, headers: Mapping[str, str]
) -> ReadDelivery | ImmediateResponse | InvalidRequest:
    """Return the content of a verified request."""
    verifier = find_verifier(webhook.verify.kind)
    value = read_webhook_body(body, headers, forms=verifier.checks_sender)
    if isinstance(value, InvalidRequest):
        return value
    handshake = verifier.answer_handshake(headers, value)
    if handshake is not None:
        return handshake
    event = read_cloud_event(headers, value, binary=verifier.reads_cloud_event_headers)
    if isinstance(event, InvalidRequest):
        return event
    data = value if event is None else event.data
    name = _event_name(verifier, headers, value) if event is None else event.type
    key = _delivery_key(webhook, verifier, body, headers, data, name, event)
    if isinstance(key, InvalidRequest):
        return key
    is_body = bool(body) and content_type(headers)[0] not in (STRUCTURED_TYPE, "application/x-www-form-urlencoded")
    delivery = IncomingDelivery(
        key=key,
        body=body,
        data=None if is_body else msgspec.json.encode(data),
        headers=select_stored_headers(webhook.verify, headers),
        name=name,
        redelivered=verifier.count_redeliveries(headers),
    )
    return ReadDelivery(delivery, data)


def _delivery_key(
    webhook: Webhook,
    verifier: WebhookVerifier,
    body: bytes,
    headers: Mapping[str, str],
    data: Any,
    name: str,
    event: CloudEvent | None,
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
        key = verifier.delivery_key(headers, data)
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


def _event_name(verifier: WebhookVerifier, headers: Mapping[str, str], data: Any) -> str:
    name = verifier.event_name(headers, data)
    return name if name.isprintable() and is_key_size(name) else ""

"""From a request that is genuine to what is stored of it: the value, the key under which it counts once, the kind of event.

Pure, so that a saved request is read again as it was the first time. Headers have lower-case names.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.arrival import Arrival
from mainspring.domain.cloud_event import STRUCTURED, CloudEvent, cloud_event
from mainspring.domain.errors import OptionError
from mainspring.domain.header_name import named_headers
from mainspring.domain.hook_body import Unfit, content_type, read_body
from mainspring.domain.ids import fingerprint
from mainspring.domain.kept_header import kept_headers
from mainspring.domain.key import LONGEST_KEY, fits_key, is_key_size, plain_key
from mainspring.domain.template import expand_template
from mainspring.domain.verifier import Bearer, GitHub, GitLab, Hmac, Slack, Stripe, Unsigned, Verifier
from mainspring.domain.webhook import Webhook

_KNOWN_IDS = ("webhook-id", "idempotency-key")
_WITHOUT_AN_ID = (Bearer, Hmac, Unsigned)
"""What proves nothing about an id in the headers: there those of CloudEvents say as much as any other."""


class Incoming(NamedTuple):
    """What is to be taken in, and its value."""

    arrival: Arrival
    data: Any


class Said(msgspec.Struct, frozen=True):
    """A question that is answered at once: nothing is stored, nothing starts."""

    body: bytes
    content_type: str = "application/json"


def read_request(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> Incoming | Said | Unfit:
    """Return what a verified request brings."""
    value = read_body(body, headers, forms=not isinstance(webhook.verify, Unsigned))
    if isinstance(value, Unfit):
        return value
    said = _question(webhook.verify, headers, value)
    if said is not None:
        return said
    event = cloud_event(headers, value, binary=isinstance(webhook.verify, _WITHOUT_AN_ID))
    if isinstance(event, Unfit):
        return event
    data = value if event is None else event.data
    name = _name(webhook.verify, headers, value) if event is None else event.type
    key = _key(webhook, body, headers, data, name, event)
    if isinstance(key, Unfit):
        return key
    is_body = bool(body) and content_type(headers)[0] not in (STRUCTURED, "application/x-www-form-urlencoded")
    arrival = Arrival(
        key=key,
        body=body,
        data=None if is_body else msgspec.json.encode(data),
        headers=kept_headers(webhook.verify, headers),
        name=name,
        redelivered=_redelivered(headers),
    )
    return Incoming(arrival, data)


def _question(verifier: Verifier, headers: Mapping[str, str], value: Any) -> Said | None:
    """Return the answer to what a sender asks when its webhook is set up."""
    if isinstance(verifier, GitHub) and headers.get("x-github-event") == "ping":
        return Said(b'{"ping":"pong"}')
    if isinstance(verifier, Slack) and isinstance(value, dict) and value.get("type") == "url_verification":
        challenge = value.get("challenge")
        return Said(challenge.encode(), "text/plain; charset=utf-8") if isinstance(challenge, str) else None
    return None


def _key(
    webhook: Webhook, body: bytes, headers: Mapping[str, str], data: Any, name: str, event: CloudEvent | None
) -> str | Unfit:
    if webhook.key is not None:
        try:
            key = expand_template(webhook.key, {"headers": named_headers(headers), "data": data, "name": name})
        except OptionError as error:
            return Unfit(422, "no_key", error.message)
    elif event is not None:
        key = f"{event.source} {event.id}"
    else:
        key = _known_key(webhook.verify, headers, data)
        if not key and not body:
            return Unfit(422, "no_key", "nothing tells this delivery from the next one: send a header Idempotency-Key")
        key = key or fingerprint(body)
    if webhook.key is None:
        key = plain_key(key)  # an id of the sender's own is no reason to refuse what it names
    if not fits_key(key) or not key.isprintable() or not key.strip():
        return Unfit(422, "no_key", f"the key of a delivery has 1 to {LONGEST_KEY:,} printable characters, 2,000 bytes")
    return key


def _known_key(verifier: Verifier, headers: Mapping[str, str], data: Any) -> str:
    """Return the id under which this kind of sender sends a delivery again, "" where there is none."""
    match verifier:
        case GitHub():
            return headers.get("x-github-delivery", "")
        case GitLab():
            return headers.get("idempotency-key", "")
        case Stripe():
            return _text(data, "id")
        case Slack():
            return _text(data, "event_id") or _text(data, "trigger_id")
        case _:
            return next((headers[name].strip('"') for name in _KNOWN_IDS if headers.get(name)), "")


def _name(verifier: Verifier, headers: Mapping[str, str], data: Any) -> str:
    """Return the kind of event that the sender states."""
    match verifier:
        case GitHub():
            name = headers.get("x-github-event", "")
        case GitLab():
            name = headers.get("x-gitlab-event", "")
        case Slack():
            name = _text(data.get("event"), "type") if isinstance(data, dict) else ""
            name = name or _text(data, "type") or _text(data, "command")
        case _:
            name = _text(data, "type")
    return name if name.isprintable() and is_key_size(name) else ""


def _text(data: Any, field: str) -> str:
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _redelivered(headers: Mapping[str, str]) -> int:
    said = headers.get("x-slack-retry-num", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 6 else 0

"""Cloud events (CloudEvents 1.0) over HTTP: an event in its own envelope (structured), or with its attributes in headers (binary)."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest, content_type, read_json

STRUCTURED_TYPE = "application/cloudevents+json"
_PREFIX = "ce-"
_REQUIRED_ATTRIBUTES = ("id", "source", "type", "specversion")


class CloudEvent(msgspec.Struct, frozen=True):
    """One event; `id` is unique within `source`."""

    id: str
    source: str
    type: str
    data: Any


def read_cloud_event(headers: Mapping[str, str], value: Any, *, binary: bool) -> CloudEvent | InvalidRequest | None:
    """Return the event in a request with this decoded body; None if it is not one.

    `binary` = headers count too: no sender signs them, so that they must not replace an id that is signed.
    """
    kind, _ = content_type(headers)
    if kind == "application/cloudevents-batch+json":
        return InvalidRequest(415, "batch", "send one event a request")
    if kind == STRUCTURED_TYPE:
        return _read_structured(value)
    if binary and "ce-specversion" in headers:
        attributes = {
            name: unquote(headers[_PREFIX + name], errors="replace")
            for name in _REQUIRED_ATTRIBUTES
            if _PREFIX + name in headers
        }
        return _make_event(attributes, value)
    return None


def _read_structured(envelope: Any) -> CloudEvent | InvalidRequest:
    if not isinstance(envelope, dict):
        return InvalidRequest(422, "cloud_event", "an event is an object", "$")
    data = envelope.get("data")
    if "data_base64" in envelope:
        if "data" in envelope or not isinstance(envelope["data_base64"], str):
            return InvalidRequest(422, "cloud_event", "data_base64 must be text, and excludes data", "$.data_base64")
        data = _decode_base64_data(envelope["data_base64"], envelope.get("datacontenttype"))
    return data if isinstance(data, InvalidRequest) else _make_event(envelope, data)


def _decode_base64_data(text: str, kind: Any) -> Any:
    """Return JSON that was sent as base 64, as strict as any other; other data stays text."""
    if kind is not None and "json" not in str(kind):
        return text
    try:
        body = base64.b64decode(text, validate=True)
    except ValueError:
        return InvalidRequest(422, "cloud_event", "data_base64 is not base 64", "$.data_base64")
    data = read_json(body)
    return msgspec.structs.replace(data, at="$.data_base64") if isinstance(data, InvalidRequest) else data


def _make_event(attributes: Mapping[str, Any], data: Any) -> CloudEvent | InvalidRequest:
    for name in _REQUIRED_ATTRIBUTES:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            return InvalidRequest(422, "cloud_event", f"an event needs {name}", f"$.{name}")
    if attributes["specversion"] != "1.0":
        return InvalidRequest(422, "cloud_event", "version 1.0 of CloudEvents is understood", "$.specversion")
    return CloudEvent(attributes["id"], attributes["source"], attributes["type"], data)

"""CloudEvents 1.0 over HTTP: an event in its own envelope (structured), or with its attributes in headers (binary)."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from mainspring.domain.hook_body import Unfit, content_type, read_json

STRUCTURED = "application/cloudevents+json"
_PREFIX = "ce-"
_NEEDED = ("id", "source", "type", "specversion")


class CloudEvent(msgspec.Struct, frozen=True):
    """One event; `id` is unique within `source`."""

    id: str
    source: str
    type: str
    data: Any


def cloud_event(headers: Mapping[str, str], value: Any, *, binary: bool) -> CloudEvent | Unfit | None:
    """Return the event in a request with this decoded body; None where it is not one.

    `binary` = headers count too: no sender signs them, so that they must not replace an id that is signed.
    """
    kind, _ = content_type(headers)
    if kind == "application/cloudevents-batch+json":
        return Unfit(415, "batch", "send one event a request")
    if kind == STRUCTURED:
        return _structured(value)
    if binary and "ce-specversion" in headers:
        said = {
            name: unquote(headers[_PREFIX + name], errors="replace") for name in _NEEDED if _PREFIX + name in headers
        }
        return _event(said, value)
    return None


def _structured(envelope: Any) -> CloudEvent | Unfit:
    if not isinstance(envelope, dict):
        return Unfit(422, "cloud_event", "an event is an object", "$")
    data = envelope.get("data")
    if "data_base64" in envelope:
        if "data" in envelope or not isinstance(envelope["data_base64"], str):
            return Unfit(422, "cloud_event", "data_base64 is text, and stands alone", "$.data_base64")
        data = _of_base64(envelope["data_base64"], envelope.get("datacontenttype"))
    return data if isinstance(data, Unfit) else _event(envelope, data)


def _of_base64(text: str, kind: Any) -> Any:
    """Return JSON that was sent as base 64, as strict as any other; anything else stays the text that it is."""
    if kind is not None and "json" not in str(kind):
        return text
    try:
        body = base64.b64decode(text, validate=True)
    except ValueError:
        return Unfit(422, "cloud_event", "data_base64 is not base 64", "$.data_base64")
    found = read_json(body)
    return msgspec.structs.replace(found, at="$.data_base64") if isinstance(found, Unfit) else found


def _event(said: Mapping[str, Any], data: Any) -> CloudEvent | Unfit:
    for name in _NEEDED:
        if not isinstance(said.get(name), str) or not said[name]:
            return Unfit(422, "cloud_event", f"an event needs {name}", f"$.{name}")
    if said["specversion"] != "1.0":
        return Unfit(422, "cloud_event", "version 1.0 of CloudEvents is understood", "$.specversion")
    return CloudEvent(said["id"], said["source"], said["type"], data)

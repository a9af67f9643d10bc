"""View of a delivery for people: its body as far as it is readable, headers without proofs of the sender."""

import base64
import re
from typing import Any, Final

import msgspec

from mainspring.domain.runs.run_headers import MESSAGE_HEADER
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.text.formatting import escape_line
from mainspring.resources.known_secrets import KNOWN_SECRETS

HIDDEN_VALUE: Final = "(not shown)"
_WINDOW = 10
_EVENT_FIELDS = frozenset({"name", "data", "at", "id", "key", "headers", "trigger"})
_SECRET_HEADER = re.compile(
    r"signature|token|secret|auth\b|authorization|bearer|cookie|credential|jwt|passw|session|(?:access|api|private)[_-]?key",
    re.IGNORECASE,
)


def remove_secret_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return headers without proofs of the sender, which are for the verifier only."""
    return {
        name: HIDDEN_VALUE
        if _SECRET_HEADER.search(value if name == MESSAGE_HEADER else name)
        else KNOWN_SECRETS.redact(value)
        for name, value in headers.items()
    }


def hide_secret_headers(data: bytes | None) -> bytes | None:
    """Return the headers of a run as JSON for people, without the values of those that are named like a secret."""
    headers = read_headers(data)
    return msgspec.json.encode(headers) if headers else data


def hide_event_headers(data: bytes) -> bytes:
    """Return the input of a run as JSON for people: the events in it have no values of headers that are named like a secret."""
    try:
        arguments = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # of a codec
        return data
    if not isinstance(arguments, dict):
        return data
    values = [item for value in arguments.values() for item in (value if isinstance(value, list) else [value])]
    events = [value for value in values if _is_event(value)]
    for event in events:
        event["headers"] = remove_secret_headers({name: str(value) for name, value in event["headers"].items()})
    return msgspec.json.encode(arguments) if events else data


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _EVENT_FIELDS and isinstance(value["headers"], dict)


def read_headers(data: bytes | None) -> dict[str, str]:
    """Return the harmless headers of a delivery; none if a missing codec sealed them, which the caller reports."""
    try:
        return remove_secret_headers({} if data is None else msgspec.json.decode(data, type=dict[str, str]))
    except msgspec.MsgspecError:
        return {}


def decode_body(body: bytes) -> Any:
    """Return a body as JSON data, else as text, else as base64."""
    found = decode_value(body)
    if isinstance(found, dict) and found.keys() == {"base64"}:
        try:
            return body.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(body).decode()}
    return found


def format_value(body: bytes, limit: int) -> tuple[str, int]:
    """Return a body as text of at most `limit` characters, without secrets, and its whole length; JSON has a line for each part."""
    found = decode_body(body)
    if isinstance(found, str):
        text = KNOWN_SECRETS.redact(found)
    else:
        text = msgspec.json.format(msgspec.json.encode(KNOWN_SECRETS.redactor.redact_data(found)), indent=2).decode()
    return text[:limit], len(text)


def format_value_line(body: bytes, limit: int) -> str:
    """Return the start of a body on one line, without a secret; of a megabyte only the start is read."""
    # A secret at the end of the window may be cut and not recognized: that end is never shown.
    return escape_line(KNOWN_SECRETS.redact(body[: _WINDOW * limit].decode(errors="replace")), limit)

"""The body of a webhook as a value: unambiguous JSON, or a form. A body that two readers could read differently is refused."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from mainspring.domain.json_validation import explain_bad_json

MAX_JSON_DEPTH = 64
MAX_FORM_FIELDS = 1_000
_COLON = re.compile(rb'"\s*:')
_FORM = "application/x-www-form-urlencoded"
_JSON = re.compile(r"(application|text)/([a-z0-9.+-]+\+)?json")


class InvalidRequest(msgspec.Struct, frozen=True):
    """A request that cannot count: HTTP `status`, stable `code`, the problem, and its place inside the value (JSON path), if any."""

    status: int
    code: str
    text: str
    at: str | None = None


_TOO_DEEP = InvalidRequest(400, "too_deep", f"the JSON is nested deeper than {MAX_JSON_DEPTH} levels")


def content_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return (type/subtype, charset) in lower case; "" if none is stated."""
    kind, _, rest = headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", rest, re.IGNORECASE)
    return kind.strip().lower(), charset[1].lower() if charset else ""


def read_webhook_body(body: bytes, headers: Mapping[str, str], *, forms: bool) -> Any:
    """Return the value of a body, or InvalidRequest. `forms` = a form is accepted too, and a body without a type counts as JSON.

    A browser sends both from any page without a preflight, so they are accepted only if a secret proves the sender.
    """
    kind, charset = content_type(headers)
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        return InvalidRequest(415, "compressed", "a compressed body is not accepted: send it uncompressed")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        return InvalidRequest(415, "charset", "the body must be UTF-8")
    if _JSON.fullmatch(kind) or (not kind and forms):
        return read_json(body) if body else None
    if kind == _FORM and forms:
        return read_form(body)
    return InvalidRequest(415, "content_type", "send JSON, with Content-Type: application/json")


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text, or InvalidRequest."""
    try:
        value = msgspec.json.decode(body)
        if _is_too_deep(value):
            return _TOO_DEEP
        if _has_duplicate_keys(body, value):
            return InvalidRequest(400, "doubled_key", "an object of the JSON has the same key twice")
    except RecursionError:
        return _TOO_DEEP
    except (msgspec.MsgspecError, ValueError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else explain_bad_json(error, body)
        return InvalidRequest(400, "bad_json", f"this is not JSON: {reason}")
    return value


def read_form(body: bytes) -> Any:
    """Return the fields of a form as a mapping (a repeated field is a list), or the JSON of its only field `payload`; or InvalidRequest."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError:
        return InvalidRequest(400, "bad_form", "the body is not a form, or has too many fields")
    if len(pairs) == 1 and pairs[0][0] == "payload":
        return read_json(pairs[0][1].encode())
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _is_too_deep(value: Any) -> bool:
    """Return whether a value has too many levels; level by level, so that a wide one takes no longer than reading it."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            item
            for part in level
            if isinstance(part, list | dict)
            for item in (part.values() if isinstance(part, dict) else part)
        ]
        if not level:
            return False
    return any(isinstance(part, list | dict) for part in level)


def _has_duplicate_keys(body: bytes, value: Any) -> bool:
    """Return whether a key was lost: encoded again, the value has fewer of them. An escape could hide one, and is read the slow way."""
    if b"\\u" not in body:
        return len(_COLON.findall(body)) != len(_COLON.findall(msgspec.json.encode(value)))
    try:
        json.loads(body, object_pairs_hook=_reject_duplicates)
    except KeyError:
        return True
    return False


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise KeyError

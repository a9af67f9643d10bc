"""JSON output of a command: only the requested fields, and control characters as escapes, harmless to a terminal."""

import re
from typing import Any

import msgspec

from mainspring.domain.errors import UnknownNameError

_UNSAFE_CHARACTERS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def select_fields(data: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """Return some fields of an object.

    Raises:
        UnknownNameError: it has no such field. The error names the nearest.
    """
    for field in fields:
        if field not in data:
            raise UnknownNameError("field", field, data)
    return {field: data[field] for field in fields}


def format_json(data: Any) -> str:
    """Return readable JSON text, harmless to a terminal."""
    text = msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    return _UNSAFE_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

r"""Views of the store as plain JSON data: one rule for every command, so that `--json` looks alike everywhere.

Instants are ISO 8601 text in UTC; values of runs are what they are in JSON; a value that is sealed by a codec which is not at hand is
{"sealed": its name, "base64": ...}. The text is safe for a terminal: control characters are \\u escapes.
"""

import base64
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from mainspring.cli.words import iso
from mainspring.domain.duration import format_duration
from mainspring.domain.errors import UnknownNameError
from mainspring.domain.sealing import sealed_in

_INSTANTS = frozenset({"at", "paused_until", "keep_until"})
_UNSAFE = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(value: Any, name: str = "") -> Any:
    """Return JSON data for any view, list or value; `name` is the field it stands in."""
    if isinstance(value, int) and not isinstance(value, bool) and (name.endswith("_at") or name in _INSTANTS):
        return iso(value)
    if isinstance(value, msgspec.Struct):
        return {field: plain(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Path):
        return str(value)
    return str(value) if isinstance(value, str) else value


def decoded(data: bytes | None) -> Any:
    """Return the value that stored bytes are, if they are JSON."""
    if data is None:
        return None
    sealed = sealed_in(data)
    if sealed is not None:
        return {"sealed": sealed.codec, "base64": base64.b64encode(sealed.data).decode()}
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {"base64": base64.b64encode(data).decode()}


def chosen(data: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """Return some fields of an object.

    Raises:
        UnknownNameError: it has no such field; shows the nearest.
    """
    for field in fields:
        if field not in data:
            raise UnknownNameError("field", field, data)
    return {field: data[field] for field in fields}


def json_text(data: Any) -> str:
    """Return readable JSON text, harmless to a terminal."""
    text = msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

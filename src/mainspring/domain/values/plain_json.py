"""Plain JSON of the store's views: one rule for `--json` and the API, so that they look alike everywhere.

A field is named as in the struct, or by its `msgspec.field(name=...)`. Instants are ISO 8601 text in UTC; values of runs keep their
JSON; a value that is sealed by a missing codec is {"sealed": its name, "base64": ...}. A large value that was not read is {"blob": its
address, "size": bytes}. A file has no keys: they would be enough to name it.
"""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from mainspring.domain.duration import format_duration
from mainspring.domain.values.sealing import FILE_MARK, find_reference, split_sealed, strip_held_blobs

_INSTANTS = frozenset({"at", "paused_until", "keep_until", "snoozed_until"})
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - every text made of it ends in Z
_SECONDS = [f":{second:02}." for second in range(60)]
_MILLISECONDS = [f"{ms:03}Z" for ms in range(1_000)]
_PLAIN_TYPES = frozenset({str, bool, float, type(None)})
LATEST_INSTANT: Final = 253_370_764_800_000
"""The start of the year 9999: a later instant (ms UTC) cannot be written in every zone."""


def is_instant(name: str) -> bool:
    """Return whether a field of this name holds an instant (ms UTC)."""
    return name.endswith("_at") or name in _INSTANTS


def format_iso(at: int) -> str:
    """Return an instant in JSON form: "2026-01-05T03:15:00.120Z"; one beyond all calendars as LATEST_INSTANT."""
    # Joined from parts: a response has thousands, and a datetime each takes six times as long.
    minute, rest = divmod(min(at, LATEST_INSTANT), 60_000)
    second, ms = divmod(rest, 1_000)
    return f"{_format_minute(minute)}{_SECONDS[second]}{_MILLISECONDS[ms]}"


@lru_cache(maxsize=4_096)
def _format_minute(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).isoformat(timespec="minutes")


def to_plain_json(value: Any, name: str = "") -> Any:
    """Return JSON data for any view, list or value; `name` is its field."""
    kind = type(value)
    if kind in _PLAIN_TYPES:  # nearly all values
        return value
    if kind is int:
        return format_iso(value) if is_instant(name) else value
    if isinstance(value, msgspec.Struct):
        return _plain_fields(value)
    if isinstance(value, str):  # a state: its word
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain_json(item, str(key)) for key, item in value.items()}
    if isinstance(value, bytes):
        return decode_value(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Path):
        return str(value)
    return value


def _plain_fields(view: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a view; their names in JSON, and which are instants, are computed once for all views of its kind."""
    fields = {}
    for field, name, holds_instant in _list_fields(type(view)):
        value = getattr(view, field)
        kind = type(value)
        if kind is int:
            fields[name] = format_iso(value) if holds_instant else value
        else:
            fields[name] = value if kind in _PLAIN_TYPES else to_plain_json(value, field)
    return fields


@cache
def _list_fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, bool]]:
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return [(field, name, is_instant(field)) for field, name in names]


def decode_value(data: bytes | None) -> Any:
    """Return the value of stored bytes, if they are JSON."""
    if data is None:
        return None
    reference = find_reference(data)
    if reference is not None:
        return {"blob": reference.blob.address, "size": reference.blob.size}
    sealed = split_sealed(data)
    if sealed is not None:
        return {"sealed": sealed.codec, "base64": base64.b64encode(sealed.data).decode()}
    data = strip_held_blobs(data)
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {"base64": base64.b64encode(data).decode()}
    except RecursionError:  # by 1,000 levels on Python 3.11; its bytes could name the keys of a file
        return {"nested": "too deeply to be shown", "size": len(data)}
    if FILE_MARK not in data:
        return value
    from mainspring.domain.values.stored_file import hide_file_keys  # noqa: PLC0415 - few values name a file

    return hide_file_keys(value)

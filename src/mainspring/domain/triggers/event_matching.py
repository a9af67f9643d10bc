"""Matching of events with waits, without comparing each pair: event and wait are reduced to the same hash.

A wait states values for dotted paths (`{"charge": "c_1", "card.country": "DE"}`); the sorted paths are its shape. An event has, for each
shape in use under its name, the hash of its own values at these paths. Equal hashes = the event is expected.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_MISSING = object()


def match_paths(where: Mapping[str, object]) -> tuple[str, ...]:
    """Return the sorted paths of a wait."""
    return tuple(sorted(where))


def match_hash(name: str, where: Mapping[str, object]) -> str:
    """Return SHA-256 (hex) over the canonical JSON of the event's name and the values by path; 1 and 1.0 are one value."""
    pairs = [[path, _normalize_value(where[path])] for path in match_paths(where)]
    return hashlib.sha256(msgspec.json.encode([name, pairs], order="deterministic")).hexdigest()


def event_hash(name: str, shape: Iterable[str], data: Any) -> str | None:
    """Return the hash of an event's values at these paths; None if it lacks one, so that no wait of this shape matches it."""
    values: dict[str, object] = {}
    for path in shape:
        value = _value_at(data, path)
        if value is _MISSING:
            return None
        values[path] = value
    return match_hash(name, values)


def _value_at(data: Any, path: str) -> Any:
    """Return the value at a dotted path. A key that itself contains the dots wins; digits index a list."""
    if isinstance(data, dict) and path in data:
        return data[path]
    value = data
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _MISSING
    return value


def _normalize_value(value: Any) -> Any:
    """Return the value as after a JSON round trip, whole floats as integers."""
    value = msgspec.to_builtins(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _normalize_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalize_value(item) for item in value]
    return value

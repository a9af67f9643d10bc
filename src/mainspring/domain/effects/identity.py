"""The identity of an effect: what distinguishes it from another effect of the same key, as canonical JSON and its hash."""

import hashlib
import math
from typing import Any

import msgspec

from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.values.canonical_json import join_path
from mainspring.domain.values.codec import encode

MAX_KEY_LENGTH = 500
MAX_BYTES = 256 * 1024


def require_key(key: object) -> str:
    """Return the key of an effect.

    Raises:
        ArgumentError: it is not text of 1 to 500 printable characters in one line.
    """
    if isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH and key.strip() and is_plain_line(key):
        return key
    raise ArgumentError(
        f"{escape(repr(key), 80)} is not a valid key of an effect",
        hint=f'Use 1 to {MAX_KEY_LENGTH} printable characters in one line, for example f"invoice:{{order.id}}".',
    )


def encode_identity(key: str, identity: object, limit: int = MAX_BYTES) -> bytes:
    """Return an identity as canonical JSON: equal identities give equal bytes.

    Raises:
        ValueRefusedError: it has no JSON form, is too large, or contains NaN, -0.0 or a key that is not text.
    """
    name = f"identity of effect {key!r}"
    data = encode(identity, value_name=name, limit=limit)
    if b"-0.0" in data and (path := _find_negative_zero(msgspec.json.decode(data), "$")) is not None:
        hint = "-0.0 and 0.0 are the same number and would be two identities: write abs(x) or x + 0.0."
        raise ValueRefusedError(name, path, "-0.0 is not allowed", hint=hint)
    return data


def hash_identity(data: bytes) -> str:
    """Return the hash of an encoded identity."""
    return hashlib.sha256(data).hexdigest()


def _find_negative_zero(value: Any, path: str) -> str | None:
    if isinstance(value, float):
        return path if value == 0 and math.copysign(1, value) < 0 else None
    parts: tuple[tuple[str, Any], ...] = ()
    if isinstance(value, dict):
        parts = tuple((join_path(path, key), part) for key, part in value.items())
    elif isinstance(value, list):
        parts = tuple((f"{path}[{index}]", part) for index, part in enumerate(value))
    return next((found for place, part in parts if (found := _find_negative_zero(part, place)) is not None), None)

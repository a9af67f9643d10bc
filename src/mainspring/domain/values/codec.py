"""The codec: values as bytes, in typed JSON that refuses a value rather than save another one.

Role: values from user code to the store go through `encode`, values back through `decode`. The usual way is one call of msgspec; only
when that fails, may have hidden a NaN (written as null) or leaves a field out, is the value walked. Invariants: the same value gives the
same bytes; nothing is pickled; `decode` reads everything that `encode` accepts.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.values.annotation import encode_unknown, format_annotation, get_decoder
from mainspring.domain.values.canonical_json import encode_canonical, join_path
from mainspring.domain.values.lossless import is_lossless

DEFAULT_LIMIT = 64 * 1024 * 1024
"""Bytes of JSON of one value."""
DEFAULT_THRESHOLD = 256 * 1024
"""Stored bytes of a value above which it is stored by reference."""

_encode_json = msgspec.json.Encoder(order="deterministic", enc_hook=encode_unknown).encode
_encode_pack = msgspec.msgpack.Encoder(enc_hook=encode_unknown).encode
# MessagePack writes each float as 0xcb and eight bytes; all exponent bits set means NaN or infinite.
_find_not_finite = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]").search

_DEEPEST = 20
_encode = msgspec.json.Encoder().encode


class SealedParts(NamedTuple):
    """The parts of a sealed value: the id of the codec that reads it, and the bytes which that codec wrote."""

    codec: str
    data: bytes


class Codec(Protocol):
    """Transforms the bytes of values on their way to the store and back, for example to encrypt them."""

    id: str

    def encode(self, data: bytes) -> bytes:
        """Return the stored form of the JSON `data`."""
        ...

    def decode(self, data: bytes) -> bytes:
        """Return the JSON that was passed to `encode`."""
        ...


class JsonCodec:
    """Stores the JSON unchanged."""

    id = "json"

    def encode(self, data: bytes) -> bytes:
        """Return `data`."""
        return data

    def decode(self, data: bytes) -> bytes:
        """Return `data`."""
        return data


def encode(value: object, *, value_name: str = "value", limit: int = DEFAULT_LIMIT, annotation: Any = Any) -> bytes:
    """Return the canonical JSON of `value`, at most `limit` bytes; `value_name` names it in errors.

    Keys other than text are accepted only if `annotation` restores them.

    Raises:
        ValueRefusedError: it contains NaN, an infinity, a cycle, a lone surrogate, a key that is not text or an
            object without JSON form, or it is too large. The error names the path inside the value.
    """
    data = encode_fast(value)
    if data is None:
        restore = None if annotation is Any else get_decoder(annotation).decode
        data = encode_canonical(value, value_name, restore)
    if len(data) > limit:
        raise make_size_error(data, value_name, limit)
    return data


def encode_fast(value: object) -> bytes | None:
    """Return the JSON of `value`, None if only the careful way (`encode_canonical`) can decide."""
    try:
        data = _encode_json(value)
        if not is_lossless(value):
            return None
    except Exception:  # noqa: BLE001 - the careful way finds the error again and names its place
        return None
    if b"null" in data and value is not None:
        try:
            if _find_not_finite(_encode_pack(value)):
                return None
        except Exception:  # noqa: BLE001 - an int beyond 64 bits, which MessagePack does not know
            return None
    return data


def decode(data: bytes, annotation: Any = Any, *, value_name: str = "value") -> Any:
    """Return the value that was passed to `encode`, as `annotation` types it (plain JSON data for Any).

    Raises:
        ValueRefusedError: the bytes do not fit the annotation.
    """
    try:
        return get_decoder(annotation).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise make_read_error(error, value_name, annotation) from None


def make_read_error(error: Exception, value_name: str, annotation: Any) -> ValueRefusedError:
    """Return our error for a failed decode, with the path that msgspec found."""
    reason, _, place = str(error).partition(" - at `")
    path = place.rstrip("`") or "$"
    hint = (
        None
        if annotation is Any
        else f"It is annotated as {format_annotation(annotation)}: make value and annotation agree."
    )
    return ValueRefusedError(value_name, path, reason, hint=hint)


def make_size_error(data: bytes, value_name: str, limit: int) -> ValueRefusedError:
    """Return the error for a value that takes more bytes than the limit."""
    return ValueRefusedError(
        value_name,
        find_largest_part(data),
        f"{len(data):,} bytes of JSON, the limit is {limit:,}",
        hint="Save it elsewhere (a file, an object store, a table) and pass a reference to it; or raise the limit: "
        "[store] payload_max, or App(payload_max=...).",
    )


def find_largest_part(data: bytes) -> str:
    """Return the path of the innermost part that holds most of the bytes of the JSON `data`; "$" if no part does."""
    path, value, size = "$", msgspec.json.decode(data), len(data)
    for _ in range(_DEEPEST):
        weight, step, part = max(
            _list_parts(value, path), key=lambda part_entry: part_entry[0], default=(0, path, None)
        )
        if weight * 2 <= size:
            break
        path, value, size = step, part, weight
    return path


def _list_parts(value: Any, path: str) -> Iterator[tuple[int, str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield len(_encode(part)), join_path(path, key), part
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield len(_encode(part)), f"{path}[{index}]", part

"""Arrays as parameters: a whole column in one binary array, encoded without a check of each value's type."""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = Struct(">iiiii").pack
_LENGTH = Struct(">i").pack
_NUMBER = Struct(">iq").pack
_NULL = _LENGTH(-1)
_TEXT, _NUMBERS, _BYTES = 25, 20, 17


class TextArray(bytes):
    """text[]."""

    oid = 1009


class NumberArray(bytes):
    """bigint[]."""

    oid = 1016


class BlobArray(bytes):
    """bytea[]."""

    oid = 1001


Array = TextArray | NumberArray | BlobArray


def texts(values: Sequence[str | None]) -> TextArray:
    """Return the values as text[].

    Raises:
        UnicodeEncodeError: one of them cannot be encoded.
    """
    parts = [_encode_header(_TEXT, len(values))]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            encoded = value.encode()
            parts += (_LENGTH(len(encoded)), encoded)
    return TextArray(b"".join(parts))


def numbers(values: Sequence[int | None]) -> NumberArray:
    """Return the values as bigint[].

    Raises:
        struct.error: one of them is too large.
    """
    body = [_NULL if value is None else _NUMBER(8, value) for value in values]
    return NumberArray(_encode_header(_NUMBERS, len(values)) + b"".join(body))


def blobs(values: Sequence[bytes | None]) -> BlobArray:
    """Return the values as bytea[]."""
    parts = [_encode_header(_BYTES, len(values))]
    for value in values:
        parts += (_NULL,) if value is None else (_LENGTH(len(value)), value)
    return BlobArray(b"".join(parts))


_COLUMNS: dict[str, Callable[[Sequence[Any]], Array]] = {"t": texts, "n": numbers, "b": blobs}


def columns(kinds: str, rows: Iterable[Sequence[object]]) -> list[Array]:
    """Return rows as one array per column; `kinds` has a letter for each column: t(exts), n(umbers), b(lobs)."""
    return [_COLUMNS[kind](column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]


def _encode_header(kind: int, length: int) -> bytes:
    """Return the header of an array: dimensions (none if empty), may contain nulls, type, length, first index."""
    return _HEAD(1, 1, kind, length, 1) if length else _HEAD(0, 0, kind, 0, 0)[:12]


def _dumper(kind: type[Array]) -> type[Dumper]:
    class ArrayDumper(Dumper):
        oid = kind.oid
        format = Format.BINARY

        def dump(self, obj: bytes) -> bytes:
            return obj

    return ArrayDumper


def register(context: AdaptContext) -> None:
    """Register these arrays as parameter types of a connection."""
    assert context.adapters is not None
    for kind in (TextArray, NumberArray, BlobArray):
        context.adapters.register_dumper(kind, _dumper(kind))

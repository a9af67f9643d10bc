"""Log chunks, the stored form of lines: parts of one attempt's lines, compressed; and how many lines of a run are stored.

A chunk's number is that of its first line among all lines of the run, from 1. A gap between the numbers means lost or dropped lines:
readers show it. Invariant: reading a damaged chunk fails with one kind of error, and holds at most `MAX_UNPACKED_BYTES` of it in memory.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.runs.log_line import LogLine

CHUNK_BYTES = 64 * 1024
"""Stored bytes of lines after which a chunk is closed."""
MAX_UNPACKED_BYTES = 16 * 1024 * 1024
DEFAULT_MAX_LINES = 10_000
MAX_RUN_BYTES = 4 * 1024 * 1024
"""Of one run: lines, and their bytes before they are compressed."""
PROTECTED_LINES = 1_000
"""This many of the first lines of a run are never dropped, as long as they use no more than a quarter of its bytes."""

_FASTEST = 1
_decode = msgspec.json.Decoder(LogLine).decode


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one attempt, packed; instants in ms UTC. `ident` "" = the body; `skipped` = how many lines were lost before these."""

    ident: str
    attempt: int
    first_at: int
    last_at: int
    lines: int
    size: int
    """Bytes of the lines before they are compressed."""
    body: bytes
    """Packed, and sealed before it is stored."""
    skipped: int = 0


def pack_lines(lines: Sequence[bytes]) -> bytes:
    """Return encoded lines in few bytes."""
    return zlib.compress(b"\n".join(lines), _FASTEST)


def unpack_lines(data: bytes, **known: Any) -> list[LogLine]:
    """Return the lines again; `known` = the fields of all of them, from the chunk's row.

    Raises:
        ValueError: the data is damaged.
    """
    try:
        return [replace(_decode(line), **known) for line in unpack_data(data).split(b"\n") if line]
    except msgspec.MsgspecError as error:
        raise ValueError(f"lines of log cannot be read: {error}") from error


def unpack_data(data: bytes) -> bytes:
    """Return what `pack_lines` packed, up to MAX_UNPACKED_BYTES. Raises ValueError: the data is damaged."""
    try:
        return zlib.decompressobj().decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise ValueError(f"packed lines cannot be read: {error}") from error


def describe_dropped_lines(count: int) -> str:
    """Return the line that replaces missing lines."""
    subject = "1 line is" if count == 1 else f"{count:,} lines are"
    return f"--- {subject} missing here: more was written than a run may keep, or the store was away ---"

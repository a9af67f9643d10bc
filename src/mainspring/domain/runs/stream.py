"""Streams of runs: numbered records that steps and bodies write before they end, and that readers follow.

A stored chunk holds records of one attempt, in order. A record of kind RETRIED has no value: it marks that the older records of its
writer, from number `from_n` on, are made again.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec

from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.runs.log_chunk import pack_lines, unpack_data
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import decode, encode

T_co = TypeVar("T_co", covariant=True)

CHUNK_BYTES: Final = 64 * 1024
"""JSON bytes of records after which a chunk is sent."""
CHUNK_RECORDS: Final = 1_000
"""Records after which a chunk is sent: a page of records is not much larger than its limit."""
MAX_RECORD_BYTES: Final = 256 * 1024
MAX_STREAMS: Final = 100
"""Streams of one run."""
DEFAULT_MAX_RECORDS: Final = 100_000
DEFAULT_MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one stream: records, and their bytes before they are compressed."""
MAX_NAME: Final = 200


class StreamRecordKind(StrEnum):
    """The kind of a record: a value, or the mark that older records are made again."""

    VALUE = "value"
    RETRIED = "retried"
    CARRIED = "carried"
    """Stored only: the next number of the run that this run continues."""


class StreamPart(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one writer, as a worker sends them. `source` = the run that writes; `ident` "" = its body.

    `n` = the number of the first record within the attempt, from 1; of a body, within the run.
    """

    source: str
    ident: str
    name: str
    """The name of the step."""
    generation: int
    attempt: int
    n: int
    records: int
    size: int
    """Bytes of the records before they are compressed."""
    body: bytes
    """Packed and sealed."""


class StreamLimits(msgspec.Struct, frozen=True):
    """How much of one stream is stored: records, and their bytes before they are compressed."""

    records: int = DEFAULT_MAX_RECORDS
    bytes: int = DEFAULT_MAX_BYTES


DEFAULT_LIMITS: Final = StreamLimits()


class StreamRecord(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """A record of a stream. `seq` = its number in the stream, from 1: pass it as `since` to read on after it.

    `writer` = the identity of the step, "" = the body of the run; `step` = its name. `n` = its number within that attempt, or of a
    body within the run. `at` = when it was committed, in ms UTC. A record of kind "retried" has no value: drop the older records of
    this writer whose `n` is at least that of the mark.
    """

    seq: int
    kind: StreamRecordKind
    writer: str
    step: str
    generation: int
    attempt: int
    n: int
    at: int
    value: T_co


class Truncated(MainspringError):
    """Error: records after `since` were deleted, because the stream is longer than is stored. `at` = the first stored number."""

    code = "truncated"

    def __init__(self, run: str, stream: str, since: int, at: int) -> None:
        super().__init__(
            f"stream {stream!r} of run {run}: records {since + 1} to {at - 1} were deleted, the first stored one is {at}",
            hint=f"Read on with since={at - 1}. `store.stream_records` and `store.stream_bytes` set how much is stored.",
        )
        self.at = at


def check_stream_name(name: str) -> str:
    """Return the name of a stream.

    Raises:
        ArgumentError: it is empty, longer than 200 characters, or cannot be printed.
    """
    if not isinstance(name, str) or not name or len(name) > MAX_NAME or not name.isprintable():
        raise ArgumentError(
            f"{escape(repr(name), 80)} cannot be the name of a stream",
            hint=f'Use 1 to {MAX_NAME} printable characters, such as "tokens".',
        )
    return name


def pack_records(records: Sequence[bytes]) -> bytes:
    """Return encoded records in few bytes."""
    return pack_lines(records)


def unpack_records(data: bytes) -> list[bytes]:
    """Return the encoded records again. Raises ValueError: the data is damaged."""
    return [line for line in unpack_data(data).split(b"\n") if line]


def convert_record(record: StreamRecord[Any], kind: Any, name: str) -> StreamRecord[Any]:
    """Return a record with its value as `kind`; a mark stays as it is. Raises ValueRefusedError."""
    if kind is Any or record.kind is StreamRecordKind.RETRIED:
        return record
    where = f"record {record.seq} of stream {name!r}"
    value = decode(encode(record.value, value_name=where), annotation=kind, value_name=where)
    return msgspec.structs.replace(record, value=value)


def drop_superseded(records: Iterable[StreamRecord[Any]]) -> list[StreamRecord[Any]]:
    """Return the records that count: without marks, and without what they supersede."""
    valid: dict[int, StreamRecord[Any]] = {}
    by_writer: dict[str, list[StreamRecord[Any]]] = {}
    for record in records:
        of_writer = by_writer.setdefault(record.writer, [])
        if record.kind is StreamRecordKind.RETRIED:
            while of_writer and of_writer[-1].n >= record.n:
                del valid[of_writer.pop().seq]
        else:
            of_writer.append(record)
            valid[record.seq] = record
    return list(valid.values())

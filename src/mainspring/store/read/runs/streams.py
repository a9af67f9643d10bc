"""Reads of streams: their names, and their chunks after a record."""

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.schema.runs.stream_chunks import STREAM_CHUNK, StreamChunk


class StreamView(msgspec.Struct, frozen=True):
    """A stream of a run: the numbers of its first and last stored record, and when the last one was written (ms UTC)."""

    name: str
    first: int
    last: int
    last_at: int


def list_streams(reader: StoreReader, run: str) -> list[StreamView]:
    """Return the streams of a run by name."""
    return [StreamView(*row) for row in reader.read("list_streams", (run,))]


def list_chunks(reader: StoreReader, run: str, stream: str, since: int, limit: int) -> list[StreamChunk]:
    """Return up to `limit` chunks in order: that of record `since` + 1, or the first stored ones, and the next ones."""
    return STREAM_CHUNK.read_all(reader.read("list_stream_chunks", (run, stream, since + 1, limit)))


def describe_position(run: str, stream: str | None, since: int) -> str:
    """Return the id by which `RunEndWaiters` waits for a record after `since` (stream None = a log line), or for the end of the run."""
    return msgspec.json.encode([run, stream, since]).decode()

"""Stream chunks. Records of streams, in compressed parts of one attempt each."""

from typing import Final

import msgspec

from mainspring.domain.runs.stream import StreamRecordKind
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "stream_chunks",
    (
        text("run"),
        text("stream"),
        integer("seq"),
        text("kind"),
        text("source"),
        text("ident"),
        text("name"),
        integer("generation"),
        integer("attempt"),
        integer("n"),
        integer("at"),
        integer("records"),
        integer("size"),
        integer("upto"),
        blob("body"),
    ),
    keys=(("run", "stream", "seq"),),
)


class StreamChunk(msgspec.Struct, frozen=True):
    """A part of a stream in its place: `seq` = the number of its first record, `records` = how many it has; `at` in ms UTC."""

    seq: int
    kind: StreamRecordKind
    ident: str
    name: str
    generation: int
    attempt: int
    n: int
    at: int
    records: int
    body: bytes


STREAM_CHUNK: Final = RowType(StreamChunk, TABLE)

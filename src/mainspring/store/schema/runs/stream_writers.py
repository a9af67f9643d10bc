"""Stream writers. The last attempt of each step, or the body, that wrote to a stream, and the number of its next record."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "stream_writers",
    (
        text("run"),
        text("ident"),
        text("stream"),
        text("source"),
        integer("generation"),
        integer("attempt"),
        integer("next_n"),
    ),
    keys=(("run", "ident", "stream"),),
)

"""Logs. Log lines of runs, in compressed parts of one attempt each."""

from typing import Final

from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "logs",
    (
        text("run"),
        integer("seq"),
        text("ident"),
        integer("attempt"),
        integer("first_at"),
        integer("last_at"),
        integer("lines"),
        integer("size"),
        integer("upto"),
        blob("body"),
    ),
    keys=(("run", "seq"),),
)

"""Outbox. Messages that steps sent and no broker has acknowledged, written in the commit of the step's outcome."""

from typing import Final

from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "outbox",
    (
        integer("seq"),
        text("id"),
        text("queue"),
        text("state"),
        text("key", null=True),
        blob("body"),
        integer("is_raw"),
        blob("headers", null=True),
        text("run"),
        text("ident"),
        integer("made_at"),
        text("fault", null=True),
    ),
    keys=(
        ("seq",),
        ("id",),
    ),
)

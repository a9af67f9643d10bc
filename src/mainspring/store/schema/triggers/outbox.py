"""Outbox. Messages that steps sent and no broker has acknowledged, written in the commit of the step's outcome."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text, value

TABLE: Final = TableSchema(
    "outbox",
    (
        integer("seq"),
        text("id"),
        text("queue"),
        text("state"),
        text("key", null=True),
        value("body"),
        integer("is_raw"),
        value("headers", null=True),
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

"""Audit log. Every operation of a person or program."""

from typing import Final

from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "audit_log",
    (
        integer("seq"),
        integer("at"),
        text("command"),
        text("actor"),
        text("verb"),
        text("subject"),
        text("reason", null=True),
        blob("detail", null=True),
        blob("result"),
        text("prev_hash"),
        text("hash"),
    ),
    keys=(
        ("seq",),
        ("command",),
    ),
)

"""Locks. Locks that are held now: one row for each slot."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "locks",
    (
        text("name"),
        text("owner"),
        integer("session", null=True),
        integer("token"),
        integer("acquired_at"),
        text("note", null=True),
        integer("slot"),
        integer("slots"),
        integer("received"),
    ),
    keys=(("name", "slot"),),
)

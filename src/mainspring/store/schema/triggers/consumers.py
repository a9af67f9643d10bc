"""Consumers. The consumers of brokers and folders, and since when each can or cannot read."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "consumers",
    (
        text("trigger", refers_to=Reference.TRIGGER),
        integer("session"),
        integer("connected_at", null=True),
        integer("unreachable_at", null=True),
        text("reason", null=True),
    ),
    keys=(("trigger", "session"),),
)

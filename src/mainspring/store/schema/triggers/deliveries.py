"""Deliveries. Stored inputs of triggers."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "deliveries",
    (
        integer("seq"),
        text("id"),
        text("trigger", refers_to=Reference.TRIGGER),
        text("key"),
        text("variant"),
        text("state"),
        text("note", null=True),
        integer("filtered"),
        text("asked", null=True),
        text("name"),
        text("body_hash", null=True),
        blob("body", null=True),
        blob("data", null=True),
        blob("headers", null=True),
        text("source", null=True),
        text("by_key"),
        text("verified", null=True),
        text("run", null=True),
        integer("due_at", null=True),
        text("replay_of", null=True),
        integer("redelivered"),
        integer("received_at"),
        integer("changed_at"),
    ),
    keys=(
        ("seq",),
        ("id",),
        ("trigger", "key", "variant"),
    ),
)

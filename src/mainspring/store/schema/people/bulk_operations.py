"""Bulk operations, which are executed in the background."""

from typing import Final

from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "bulk_operations",
    (
        integer("seq"),
        text("id"),
        text("verb"),
        text("state"),
        blob("selection"),
        text("automations"),
        text("rate", null=True),
        integer("piece"),
        integer("every_ms"),
        text("actor"),
        text("reason", null=True),
        integer("total"),
        integer("done"),
        integer("refused"),
        text("reached"),
        integer("made_at"),
        integer("changed_at"),
        integer("ended_at", null=True),
        integer("due_at"),
        text("lease", null=True),
        integer("until_at"),
    ),
    keys=(
        ("seq",),
        ("id",),
    ),
)

"""Consumed facts."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "consumed_facts",
    (
        text("run"),
        text("kind"),
        text("source"),
        text("receiver", null=True),
    ),
    keys=(("run", "kind", "source"),),
)

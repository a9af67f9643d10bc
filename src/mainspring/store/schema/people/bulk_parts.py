"""Bulk parts. The runs or deliveries of each bulk operation."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "bulk_parts",
    (
        text("bulk"),
        text("run"),
        text("reason", null=True),
    ),
    keys=(("bulk", "run"),),
)

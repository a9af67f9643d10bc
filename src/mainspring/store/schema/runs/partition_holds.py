"""Partition holds. The holders of partition keys."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "partition_holds",
    (
        text("queue"),
        text("partition"),
        text("run"),
        integer("held_at"),
    ),
    keys=(("queue", "partition"),),
)

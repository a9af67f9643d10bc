"""Blobs. The blobs that a column holds a reference to, or held one until lately."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "blobs",
    (text("blob"), integer("unreferenced_at", null=True)),
    keys=(("blob",),),
)

"""Blob references. The columns that hold a reference to a blob; triggers write the rows."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "blob_references",
    (text("holder"), text("blob")),
    keys=(("holder", "blob"),),
)

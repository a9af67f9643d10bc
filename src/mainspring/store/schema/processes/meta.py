"""Meta. Facts about the store as a whole, by name."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "meta",
    (
        text("key"),
        text("value"),
    ),
    keys=(("key",),),
)

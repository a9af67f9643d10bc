"""Lock tokens. The last fencing token of each lock, also of free ones, and its longest hold."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "lock_tokens",
    (
        text("name"),
        integer("token"),
        integer("longest_ms"),
    ),
    keys=(("name",),),
)

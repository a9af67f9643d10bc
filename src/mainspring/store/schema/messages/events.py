"""Events. Published events."""

from typing import Final

from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "events",
    (
        integer("seq"),
        text("id"),
        text("name"),
        text("key", null=True),
        blob("data"),
        integer("at"),
        integer("keep_until"),
        integer("woken"),
    ),
    keys=(
        ("seq",),
        ("id",),
        ("name", "key"),
    ),
)

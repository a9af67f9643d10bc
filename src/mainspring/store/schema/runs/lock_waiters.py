"""Lock waiters. Who waits for a lock, in the order of the tickets."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "lock_waiters",
    (
        text("name"),
        integer("ticket"),
        text("owner"),
        integer("session"),
        integer("since_at"),
        integer("until_at"),
        integer("slots"),
        text("note", null=True),
    ),
    keys=(("name", "ticket"),),
)

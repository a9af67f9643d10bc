"""Event cursors."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "event_cursors",
    (
        text("chain"),
        text("match_hash"),
        integer("since_at"),
        integer("seq"),
    ),
    keys=(("chain", "match_hash"),),
)

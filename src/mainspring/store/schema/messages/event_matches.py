"""Event matches. The hashes by which waits find an event: one for each shape."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "event_matches",
    (
        text("match_hash"),
        integer("event"),
    ),
    keys=(("match_hash", "event"),),
)

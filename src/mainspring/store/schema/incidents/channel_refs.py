"""Channel refs."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "channel_refs",
    (
        text("incident"),
        integer("opened"),
        text("channel"),
        text("ref"),
    ),
    keys=(("incident", "opened", "channel"),),
)

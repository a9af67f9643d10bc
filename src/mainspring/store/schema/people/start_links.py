"""Start links. Links that open the pages. Each works once."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "start_links",
    (
        text("hash"),
        integer("until_at"),
    ),
    keys=(("hash",),),
)

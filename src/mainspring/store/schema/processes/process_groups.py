"""Process groups. Process groups that a session started."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "process_groups",
    (
        integer("session"),
        integer("pgid"),
        text("run", null=True),
        text("ident", null=True),
        text("started"),
    ),
    keys=(("session", "pgid"),),
)

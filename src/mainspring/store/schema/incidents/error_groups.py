"""Error groups. Failures with the same cause."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "error_groups",
    (
        text("automation", refers_to=Reference.AUTOMATION),
        text("fingerprint"),
        text("type"),
        text("code"),
        text("place"),
        text("message"),
        integer("first_at"),
        integer("last_at"),
        integer("number"),
        text("first_run"),
        text("last_run"),
    ),
    keys=(("automation", "fingerprint"),),
)

"""Web sessions. The sessions of people at the web pages."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "web_sessions",
    (
        text("hash"),
        text("id"),
        text("name"),
        text("source"),
        text("role", null=True),
        text("automations", null=True),
        text("address"),
        text("browser"),
        integer("made_at"),
        integer("seen_at"),
        integer("until_at"),
    ),
    keys=(
        ("hash",),
        ("id",),
    ),
)

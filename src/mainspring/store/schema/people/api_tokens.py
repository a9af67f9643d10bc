"""Api tokens. The credentials of programs."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "api_tokens",
    (
        text("id"),
        text("name"),
        text("hash"),
        text("role"),
        text("automations", null=True),
        text("by"),
        integer("made_at"),
        integer("until_at", null=True),
        integer("used_at", null=True),
    ),
    keys=(
        ("id",),
        ("name",),
        ("hash",),
    ),
)

"""Pauses. When automations were paused. Never pruned: the notes of slots refer to it."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "pauses",
    (
        text("automation", refers_to=Reference.AUTOMATION),
        integer("paused_at"),
        integer("until_at", null=True),
        integer("ended_at", null=True),
        text("paused_by"),
        text("reason", null=True),
    ),
    keys=(("automation", "paused_at"),),
)

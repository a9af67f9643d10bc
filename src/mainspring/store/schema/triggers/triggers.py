"""Triggers. Triggers, as the workers announced them."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "triggers",
    (
        text("name", refers_to=Reference.TRIGGER),
        text("automation", refers_to=Reference.AUTOMATION),
        text("kind"),
        blob("definition"),
        text("path", null=True),
        text("problem", null=True),
        integer("announced_at"),
        integer("ended_at", null=True),
    ),
    keys=(("name",),),
)

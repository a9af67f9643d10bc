"""Automations. Everything that has a name and can be run."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "automations",
    (
        text("name", refers_to=Reference.AUTOMATION),
        text("kind"),
        integer("version"),
        blob("definition"),
        text("fingerprint"),
        integer("deploy"),
        integer("paused_at", null=True),
        integer("paused_until", null=True),
        text("paused_by", null=True),
        text("pause_reason", null=True),
        integer("retired_at", null=True),
        text("problem", null=True),
        integer("announced_at"),
    ),
    keys=(("name",),),
)

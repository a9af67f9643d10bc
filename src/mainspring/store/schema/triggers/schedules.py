"""Schedules. Schedules, as the workers announced them."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "schedules",
    (
        text("name", refers_to=Reference.SCHEDULE),
        text("automation", refers_to=Reference.AUTOMATION),
        text("key", null=True),
        blob("spec"),
        integer("spec_at", null=True),
        blob("input", null=True),
        integer("low_water_at"),
        integer("last_slot_at", null=True),
        integer("next_slot_at", null=True),
        integer("retired_at", null=True),
    ),
    keys=(("name",),),
)

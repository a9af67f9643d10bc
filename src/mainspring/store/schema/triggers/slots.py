"""Slots. The due times of schedules and the result of each."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "slots",
    (
        text("schedule", refers_to=Reference.SCHEDULE),
        integer("slot_at"),
        text("verdict"),
        text("run", null=True),
        text("note", null=True),
        integer("made_at"),
        integer("number"),
    ),
    keys=(("schedule", "slot_at"),),
)

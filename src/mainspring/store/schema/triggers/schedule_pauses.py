"""Schedule pauses. When created schedules were paused. Never pruned: the notes of slots refer to it."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "schedule_pauses",
    (
        text("schedule", refers_to=Reference.SCHEDULE),
        integer("paused_at"),
        integer("ended_at", null=True),
        text("paused_by"),
        text("reason", null=True),
    ),
    keys=(("schedule", "paused_at"),),
)

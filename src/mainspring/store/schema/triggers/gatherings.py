"""Gatherings. Starts that wait for the runs of several automations."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "gatherings",
    (
        text("trigger", refers_to=Reference.TRIGGER),
        text("per"),
        integer("expected"),
        integer("here"),
        integer("deadline_at"),
        text("run", null=True),
        integer("changed_at"),
    ),
    keys=(("trigger", "per"),),
)

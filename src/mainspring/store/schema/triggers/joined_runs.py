"""Joined runs. The ended runs of such a start."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "joined_runs",
    (
        text("trigger", refers_to=Reference.TRIGGER),
        text("per"),
        text("automation", refers_to=Reference.AUTOMATION),
        text("run"),
        text("state"),
        integer("counts"),
        text("delivery"),
        integer("at"),
    ),
    keys=(("trigger", "per", "automation"),),
)

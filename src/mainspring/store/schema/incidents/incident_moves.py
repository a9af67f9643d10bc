"""Incident moves. The history of each incident."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "incident_moves",
    (
        integer("seq"),
        text("incident"),
        text("move"),
        integer("at"),
        text("by", null=True),
        text("note", null=True),
    ),
    keys=(("seq",),),
)

"""Requests to start. Starts that a caller may send again: the id of its request, and the run that answered it."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "start_requests",
    (
        text("automation", refers_to=Reference.AUTOMATION),
        text("request"),
        text("run"),
        text("input_hash"),
        integer("expires_at"),
    ),
    keys=(("automation", "request"),),
)

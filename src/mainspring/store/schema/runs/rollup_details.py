"""Rollup details. The same for durations (by powers of 2 ms) and failure reasons."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "rollup_details",
    (
        integer("session"),
        text("automation", refers_to=Reference.AUTOMATION),
        integer("minute_at"),
        text("metric"),
        integer("n"),
    ),
    keys=(("automation", "minute_at", "metric", "session"),),
    sums=("n",),
)

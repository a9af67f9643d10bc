"""Rollups. Figures for the pages, written with each commit."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "rollups",
    (
        integer("session"),
        text("automation", refers_to=Reference.AUTOMATION),
        integer("minute_at"),
        integer("started"),
        integer("succeeded"),
        integer("failed"),
        integer("cancelled"),
        integer("attention"),
        integer("steps"),
        integer("step_errors"),
        integer("duration_ms"),
        integer("max_duration_ms"),
    ),
    keys=(("automation", "minute_at", "session"),),
    sums=("started", "succeeded", "failed", "cancelled", "attention", "steps", "step_errors", "duration_ms"),
    maxima=("max_duration_ms",),
)

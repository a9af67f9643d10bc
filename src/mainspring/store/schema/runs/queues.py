"""Queues. Limits and pauses of the queues that runs wait in."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "queues",
    (
        text("name"),
        integer("concurrency", null=True),
        integer("rate_count", null=True),
        integer("rate_per_ms", null=True),
        text("rate_starts"),
        integer("max_backlog", null=True),
        integer("backlog"),
        integer("paused_at", null=True),
        text("paused_by", null=True),
        text("pause_reason", null=True),
    ),
    keys=(("name",),),
)

"""Queues. Limits and pauses of the queues that runs wait in."""

from typing import Final

import msgspec

from mainspring.store.schema.row import RowType
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


class QueueBacklog(msgspec.Struct, frozen=True):
    """The limits of a queue for new runs, and how many wait in it. PostgreSQL counts them by session."""

    rate_count: int | None
    rate_per_ms: int | None
    max_backlog: int | None
    backlog: int


QUEUE_BACKLOG: Final = RowType(QueueBacklog, TABLE)

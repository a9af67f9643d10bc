"""Sessions. A session is the life of one process."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "sessions",
    (
        integer("id"),
        text("uuid"),
        text("role"),
        text("state"),
        text("host"),
        text("hostname"),
        integer("pid"),
        text("pid_started"),
        text("lock_path"),
        integer("deploy"),
        text("tags"),
        text("queues", null=True),
        text("posts"),
        integer("capacity", null=True),
        integer("opened_at"),
        integer("beat_at"),
        integer("ended_at", null=True),
        integer("freed", null=True),
        text("blocked", null=True),
        integer("memory", null=True),
        integer("processor", null=True),
        text("hash_seed", null=True),
        text("child_queue", null=True),
        text("findings", null=True),
    ),
    keys=(
        ("id",),
        ("uuid",),
    ),
)

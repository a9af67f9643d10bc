"""Outbox leases. Queues of the outbox that are leased by a Sender, or could not be sent to."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "outbox_leases",
    (
        text("queue"),
        text("lease", null=True),
        integer("session", null=True),
        integer("until_at"),
        integer("due_at"),
        integer("failures"),
        integer("since_at", null=True),
        text("fault", null=True),
    ),
    keys=(("queue",),),
)

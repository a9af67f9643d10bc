"""Channels. Channels that are leased by a notifier, or could not be sent to."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "channels",
    (
        text("name"),
        text("lease", null=True),
        integer("session", null=True),
        integer("until_at"),
        integer("due_at"),
        integer("failures"),
        integer("since_at", null=True),
        text("fault", null=True),
        integer("accepted_at", null=True),
    ),
    keys=(("name",),),
)

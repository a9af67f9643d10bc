"""Alerts. Notifications: one event of an incident for one channel."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "alerts",
    (
        integer("seq"),
        text("key"),
        text("incident"),
        integer("opened"),
        text("about"),
        text("channel"),
        text("severity"),
        text("state"),
        integer("made_at"),
        integer("due_at"),
        integer("tried"),
        integer("ended_at", null=True),
        text("fault", null=True),
    ),
    keys=(
        ("seq",),
        ("key",),
    ),
)

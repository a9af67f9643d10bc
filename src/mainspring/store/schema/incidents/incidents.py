"""Incidents. Incidents: one row for each problem. It is reopened when the same problem returns."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "incidents",
    (
        integer("seq"),
        text("id"),
        text("automation", refers_to=Reference.AUTOMATION),
        text("kind"),
        text("fingerprint"),
        text("state"),
        text("severity"),
        text("text"),
        text("hint", null=True),
        blob("facts"),
        integer("since_at"),
        integer("opened_at"),
        integer("changed_at"),
        integer("seen_at"),
        integer("resolved_at", null=True),
        integer("snoozed_until", null=True),
        integer("opened"),
        integer("number"),
        text("by", null=True),
        text("note", null=True),
        text("parent", null=True),
    ),
    keys=(
        ("seq",),
        ("id",),
        ("automation", "kind", "fingerprint"),
    ),
)

"""Failures."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "failures",
    (
        integer("seq"),
        text("run"),
        text("automation", refers_to=Reference.AUTOMATION),
        text("state"),
        text("reason", null=True),
        text("ident", null=True),
        blob("failure", null=True),
        integer("at"),
        text("fingerprint", null=True),
        text("healthy"),
        text("item"),
        text("incident", null=True),
        integer("opened", null=True),
        integer("settled_at", null=True),
        text("settlement", null=True),
        text("settled_by", null=True),
    ),
    keys=(("seq",),),
)

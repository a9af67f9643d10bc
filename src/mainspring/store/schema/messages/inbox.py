"""Inbox. Facts that a run has not consumed yet. Consuming one deletes the row and adds one to the journal."""

from typing import Final

from mainspring.domain.runs.journal import Fact
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value

TABLE: Final = TableSchema(
    "inbox",
    (
        integer("seq"),
        text("run"),
        text("kind"),
        text("name"),
        text("ident", null=True),
        value("payload", null=True),
        blob("failure", null=True),
        text("source", null=True),
        integer("at"),
    ),
    keys=(("seq",),),
)


FACT: Final = RowType(Fact, TABLE)

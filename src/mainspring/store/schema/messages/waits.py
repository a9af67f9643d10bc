"""Waits. What runs wait for now."""

from typing import Final

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text, value
from mainspring.store.views import WaitView

TABLE: Final = TableSchema(
    "waits",
    (
        text("run"),
        text("ident"),
        integer("request_number"),
        text("kind"),
        text("name"),
        text("shape", null=True),
        text("match_hash", null=True),
        integer("since_at", null=True),
        integer("until_at", null=True),
        value("question", null=True),
        integer("filled"),
        integer("opened_at"),
        text("schema", null=True),
        integer("session", null=True),
        text("assignee", null=True),
        integer("remind_ms", null=True),
        integer("escalate_ms", null=True),
        text("escalate_to", null=True),
    ),
    keys=(("run", "ident"),),
)


WAIT_VIEW: Final = RowType(WaitView, TABLE)

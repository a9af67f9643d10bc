"""Updates of runs. Requests to a run, each with its reply."""

from typing import Final

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value
from mainspring.store.views import UpdateView

TABLE: Final = TableSchema(
    "run_updates",
    (
        text("id"),
        text("run"),
        text("first_run"),
        text("request_id"),
        text("name"),
        text("input_hash"),
        text("state"),
        integer("seq"),
        text("ident", null=True),
        integer("requested_at"),
        integer("replied_at", null=True),
        value("result", null=True),
        blob("failure", null=True),
        integer("superseded", null=True),
    ),
    keys=(("id",),),
)

UPDATE_VIEW: Final = RowType(UpdateView, TABLE)

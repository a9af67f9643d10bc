"""Queries of runs. Questions to the code of a run about its state, each with its answer."""

from typing import Final

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value
from mainspring.store.views import OpenQuery, QueryView

TABLE: Final = TableSchema(
    "run_queries",
    (
        text("id"),
        text("run"),
        text("name"),
        value("input"),
        integer("until_at"),
        integer("session", null=True),
        integer("answered_at", null=True),
        value("result", null=True),
        blob("failure", null=True),
    ),
    keys=(("id",),),
)

QUERY_VIEW: Final = RowType(QueryView, TABLE)
OPEN_QUERY: Final = RowType(OpenQuery, TABLE)

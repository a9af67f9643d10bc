"""Retries of runs. Runs that continue by themselves after they failed, and their last failures."""

from typing import Final

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text
from mainspring.store.views import RunRetry

TABLE: Final = TableSchema(
    "run_retries",
    (text("run"), text("policy"), integer("retries"), blob("failure", null=True), integer("failed_at", null=True)),
    keys=(("run",),),
)

RUN_RETRY: Final = RowType(RunRetry, TABLE)

"""Pauses of runs. A row exists exactly while its run is paused."""

from typing import Final

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text
from mainspring.store.views import RunPause

TABLE: Final = TableSchema(
    "run_pauses",
    (
        text("run"),
        integer("paused_at"),
        text("paused_by"),
        text("reason", null=True),
        integer("due_at", null=True),
    ),
    keys=(("run",),),
)

RUN_PAUSE: Final = RowType(
    RunPause,
    TABLE,
    expressions={
        "holds_partition": "exists (select 1 from partition_holds where partition_holds.run = run_pauses.run)"
    },
)

"""Worker losses. Claims that ended because the worker died, or drained without a request."""

from typing import Final

from mainspring.domain.processes.worker_loss import WorkerLoss
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "worker_losses",
    (
        text("run"),
        integer("claim"),
        integer("session"),
        text("role"),
        text("hostname"),
        integer("pid"),
        integer("seen_at"),
        integer("found_at"),
        text("noticed"),
        text("ending", null=True),
        text("finder_role", null=True),
        text("finder_hostname", null=True),
        integer("finder_pid", null=True),
        integer("resumed_claim", null=True),
        integer("resumed_session", null=True),
        text("resumed_role", null=True),
        text("resumed_hostname", null=True),
        integer("resumed_pid", null=True),
        integer("resumed_at", null=True),
    ),
    keys=(("run", "claim"),),
)


WORKER_LOSS: Final = RowType(WorkerLoss, TABLE)

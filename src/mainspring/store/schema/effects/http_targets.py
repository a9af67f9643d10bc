"""HTTP targets. The state of the rate limiter and the circuit breaker of each host that has limits."""

from typing import Final

from mainspring.domain.effects.target_limits import TargetState
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "http_targets",
    (
        text("target"),
        text("requests"),
        integer("base_at"),
        integer("failures"),
        integer("open_until_at", null=True),
        text("probe", null=True),
        integer("probe_until_at", null=True),
        text("entered", null=True),
        integer("entered_at"),
        text("last_failure", null=True),
        integer("changed_at"),
    ),
    keys=(("target",),),
)

TARGET: Final = RowType(TargetState, TABLE)
NEW_TARGET: Final = InsertedRow(TargetState, TABLE)

"""Flow control. State of flow control, for each key of a trigger: domain.triggers.flow_control.FlowControlState."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "flow_control",
    (
        text("trigger", refers_to=Reference.TRIGGER),
        text("by_key"),
        integer("counted_at", null=True),
        integer("started_at", null=True),
        text("starts"),
        integer("since_at", null=True),
        integer("keep_until"),
    ),
    keys=(("trigger", "by_key"),),
)

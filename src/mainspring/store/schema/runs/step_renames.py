"""Step renames. A person's decision on a saved step that the code of its run no longer requests."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "step_renames",
    (
        text("run"),
        text("old_name"),
        text("new_name", null=True),
        integer("at"),
    ),
    keys=(("run", "old_name"),),
)

"""Run keys. Run keys, so that a start is not repeated. A key outlives its run."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "run_keys",
    (
        text("automation", refers_to=Reference.AUTOMATION),
        text("key"),
        text("run"),
        text("input_hash"),
        text("state"),
        integer("expires_at", null=True),
        text("holder", null=True),
    ),
    keys=(("automation", "key"),),
)

"""Tags of runs. The tags by which runs are found; those that a codec sealed are not among them."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "run_tags",
    (text("name"), text("value"), integer("run_seq"), text("run")),
    keys=(("name", "value", "run_seq"),),
)

"""Measurements. The numbers of a step's outcome, as JSON by name."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "measurements",
    (text("run"), integer("rank"), text("numbers")),
    keys=(("run", "rank"),),
)

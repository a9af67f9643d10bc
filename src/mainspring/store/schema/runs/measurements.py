"""Measurements. The numbers that a step measured, as JSON by name."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "measurements",
    (text("run"), text("ident"), text("numbers")),
    keys=(("run", "ident"),),
)

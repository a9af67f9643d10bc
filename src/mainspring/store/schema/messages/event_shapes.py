"""Event shapes. Combinations of paths that runs compare in events of a name."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema(
    "event_shapes",
    (
        text("name"),
        text("shape"),
    ),
    keys=(("name", "shape"),),
)

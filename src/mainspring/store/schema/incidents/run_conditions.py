"""Run conditions."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "run_conditions",
    (
        text("kind"),
        text("subject", refers_to=Reference.SUBJECT),
        integer("at"),
        text("was", null=True),
        text("value"),
    ),
    keys=(("kind", "subject", "at"),),
)

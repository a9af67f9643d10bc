"""People. The people who may sign in with a password."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "people",
    (
        text("name"),
        text("password"),
        text("role"),
        text("automations", null=True),
        integer("made_at"),
        integer("changed_at"),
    ),
    keys=(("name",),),
)

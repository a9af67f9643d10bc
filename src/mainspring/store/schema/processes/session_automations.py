"""Session automations. The automations that a session loaded, and so may claim runs of."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "session_automations",
    (
        integer("session"),
        text("automation", refers_to=Reference.AUTOMATION),
        integer("version"),
    ),
    keys=(("session", "automation", "version"),),
)

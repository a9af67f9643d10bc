"""Topics. The events and ends of runs that triggers subscribe to."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, text

TABLE: Final = TableSchema(
    "topics",
    (
        text("kind"),
        text("name", refers_to=Reference.AUTOMATION, only_if="kind = 'run'"),
        text("trigger", refers_to=Reference.TRIGGER),
        text("condition"),
    ),
    keys=(("kind", "name", "trigger"),),
)

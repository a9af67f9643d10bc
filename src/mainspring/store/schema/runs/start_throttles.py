"""Throttles of starts. The starts of the last span, by the key of their definition."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "start_throttles",
    (text("automation", refers_to=Reference.AUTOMATION), text("key"), text("starts"), integer("expires_at")),
    keys=(("automation", "key"),),
)

"""Debounced runs. Runs that wait for a later start, which replaces their input, by the key of their definition."""

from typing import Final

from mainspring.store.schema.table import Reference, TableSchema, text

TABLE: Final = TableSchema(
    "debounced_runs",
    (text("automation", refers_to=Reference.AUTOMATION), text("key"), text("run")),
    keys=(("automation", "key"),),
)

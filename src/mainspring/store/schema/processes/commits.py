"""Commits. The number of commits of each writer."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "commits",
    (
        text("writer"),
        integer("number"),
        integer("at"),
    ),
    keys=(("writer",),),
)

"""Rollout runs. The runs that a rollout assigned to one of its versions, and how each counts."""

from typing import Final

import msgspec

from mainspring.store.schema.row import InsertedRow
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "rollout_runs",
    (
        text("run"),
        integer("rollout"),
        integer("step"),
        integer("version"),
        text("key_hash"),
        text("outcome", null=True),
        integer("took_ms", null=True),
        integer("started_at", null=True),
    ),
    keys=(("run",),),
)


class NewRolloutRun(msgspec.Struct, frozen=True):
    """A row to insert: a run that was assigned."""

    run: str
    rollout: int
    step: int
    version: int
    key_hash: str


NEW_ROLLOUT_RUN: Final = InsertedRow(NewRolloutRun, TABLE)

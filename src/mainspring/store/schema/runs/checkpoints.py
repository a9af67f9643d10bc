"""Checkpoints. The last checkpoint and progress of a step that runs."""

from typing import Final

import msgspec

from mainspring.domain.runs.journal import Checkpoint
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text, value

TABLE: Final = TableSchema(
    "checkpoints",
    (
        text("run"),
        text("ident"),
        integer("claim"),
        value("value", null=True),
        integer("done", null=True),
        integer("total", null=True),
        integer("at"),
    ),
    keys=(("run", "ident"),),
)


class CheckpointOfRun(msgspec.Struct, frozen=True):
    """A checkpoint with its run."""

    run: str
    checkpoint: Checkpoint


CHECKPOINT: Final = RowType(Checkpoint, TABLE)
CHECKPOINT_OF_RUN: Final = RowType(CheckpointOfRun, TABLE, part=("checkpoint", CHECKPOINT))

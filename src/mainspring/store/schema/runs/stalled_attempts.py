"""Stalled attempts. Attempts without a sign of life for too long."""

from typing import Final

import msgspec

from mainspring.domain.processes.stall import Stall
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "stalled_attempts",
    (
        text("run"),
        text("ident"),
        integer("claim"),
        text("name"),
        integer("attempt"),
        integer("since_at"),
        blob("stack"),
        integer("session"),
    ),
    keys=(("run", "ident"),),
)


class StallOfAutomation(msgspec.Struct, frozen=True):
    """A stalled attempt with the automation of its run."""

    automation: str
    stall: Stall


STALL: Final = RowType(Stall, TABLE, expressions={"step": "stalled_attempts.name"})
STALL_OF_AUTOMATION: Final = RowType(
    StallOfAutomation, TABLE, expressions={"automation": "runs.automation"}, part=("stall", STALL)
)

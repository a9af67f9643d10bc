"""Attempts. Attempts that the journal does not show: started, failed before a retry, lost, in doubt."""

from typing import Final

import msgspec

from mainspring.domain.runs.journal import AttemptRecord
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value

TABLE: Final = TableSchema(
    "attempts",
    (
        text("run"),
        text("ident"),
        integer("generation"),
        integer("attempt"),
        text("name"),
        text("state"),
        integer("request_number"),
        integer("claim"),
        blob("failure", null=True),
        text("undo", null=True),
        value("input", null=True),
        integer("started_at"),
        integer("ended_at", null=True),
        integer("next_at", null=True),
        integer("superseded", null=True),
    ),
    keys=(("run", "ident", "generation", "attempt"),),
)


class AttemptOfRun(msgspec.Struct, frozen=True):
    """An attempt with its run."""

    run: str
    attempt: AttemptRecord


class NewestAttempt(msgspec.Struct, frozen=True):
    """An attempt, and whether its request has an outcome."""

    is_settled: bool
    attempt: AttemptRecord


ATTEMPT: Final = RowType(AttemptRecord, TABLE)
NEWEST_ATTEMPT: Final = RowType(
    NewestAttempt,
    TABLE,
    expressions={
        "is_settled": "exists (select 1 from journal where journal.run = attempts.run and journal.ident = attempts.ident"
        " and journal.generation = attempts.generation and journal.state <> {{cancelled}})"
    },
    part=("attempt", RowType(AttemptRecord, TABLE, expressions={"input": "null"})),
)
ATTEMPT_OF_RUN: Final = RowType(AttemptOfRun, TABLE, part=("attempt", ATTEMPT))

"""Journal. Saved outcomes of runs. Only the process that claimed a run adds rows."""

from typing import Final

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value

TABLE: Final = TableSchema(
    "journal",
    (
        text("run"),
        integer("rank"),
        text("ident"),
        text("name"),
        text("kind"),
        text("state"),
        integer("request_number"),
        integer("requested_after"),
        integer("attempt"),
        integer("generation"),
        integer("superseded", null=True),
        integer("claim"),
        value("input", null=True),
        value("output", null=True),
        blob("failure", null=True),
        text("undo", null=True),
        integer("started_at"),
        integer("at"),
        integer("duration_us"),
    ),
    keys=(("run", "rank"),),
)


class OutcomeOfRun(msgspec.Struct, frozen=True):
    """An outcome with its run."""

    run: str
    outcome: Outcome


OUTCOME: Final = RowType(Outcome, TABLE)
OUTCOME_OF_RUN: Final = RowType(OutcomeOfRun, TABLE, part=("outcome", OUTCOME))
OUTCOME_OUTLINE: Final = RowType(Outcome, TABLE, expressions={"input": "null", "output": "null"})


class CurrentOutcome(msgspec.Struct, frozen=True):
    """The outcome of a request that counts now."""

    request_number: int
    state: OutcomeState
    kind: OutcomeKind
    failure: Failure | None


CURRENT_OUTCOME: Final = RowType(CurrentOutcome, TABLE)

"""Rollout steps. The steps of a rollout that another step followed, each with the evidence on which the guard decided."""

from typing import Final, cast

import msgspec

from mainspring.domain.rollouts.guard_state import GuardState
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "rollout_steps",
    (integer("rollout"), integer("step"), integer("ended_at"), text("evidence", null=True)),
    keys=(("rollout", "step"),),
)


class PastStep(msgspec.Struct, frozen=True):
    """A step that another one followed; `step` counts from 0."""

    step: int
    ended_at: int
    evidence: GuardState


def _read_evidence(value: object) -> GuardState:
    return GuardState() if value is None else msgspec.json.decode(cast("str", value), type=GuardState)


PAST_STEP: Final = RowType(PastStep, TABLE, converters={"evidence": _read_evidence})

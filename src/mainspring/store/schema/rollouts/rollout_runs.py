"""Rollout runs. The runs that a rollout assigned to one of its versions, and how each counts."""

from typing import Final, cast

import msgspec

from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind
from mainspring.domain.states import RunState
from mainspring.store.schema.row import InsertedRow, RowType
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
        integer("duration_ms", null=True),
        integer("place", null=True),
        text("numbers", null=True),
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


class CountableRun(msgspec.Struct, frozen=True):
    """A run that counts now. `state` None = it was deleted; `settled_at` = since when it is in `state`, None = it has not ended."""

    run: str
    step: int
    key_hash: str
    state: RunState | None
    started_at: int | None
    settled_at: int | None


class CountedRun(msgspec.Struct, frozen=True):
    """A run that counts, at its place in the order of its step. `numbers` = its watched measurements, by name."""

    run: str
    key_hash: str
    version: int
    outcome: RunOutcomeKind
    duration_ms: int | None
    place: int
    numbers: dict[str, float]

    def to_outcome(self, rollout: Rollout) -> RunOutcome:
        """Return the outcome of this run in its rollout."""
        is_new = self.version == rollout.new_version
        return RunOutcome(self.run, self.key_hash, self.place, is_new, self.outcome, self.duration_ms, self.numbers)


def _read_numbers(value: object) -> dict[str, float]:
    return {} if value is None else msgspec.json.decode(cast("str", value), type=dict[str, float])


COUNTED_RUN: Final = RowType(CountedRun, TABLE, converters={"numbers": _read_numbers})
COUNTABLE_RUN: Final = RowType(
    CountableRun,
    TABLE,
    expressions={
        "state": "runs.state",
        "started_at": "runs.started_at",
        "settled_at": "coalesce(runs.finished_at, case when runs.state in ({{needs_attention}}, {{paused}}) then runs.changed_at end)",
    },
)
NEW_ROLLOUT_RUN: Final = InsertedRow(NewRolloutRun, TABLE)

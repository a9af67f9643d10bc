"""Rollouts. Each attempt to bring a new version into force."""

from typing import Final, cast

import msgspec

from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import RolloutState
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, integer, text

TABLE: Final = TableSchema(
    "rollouts",
    (
        integer("id"),
        text("automation", refers_to=Reference.AUTOMATION),
        integer("old_version"),
        integer("new_version"),
        text("fingerprint"),
        text("steps"),
        integer("step"),
        integer("hold_ms"),
        text("in_flight"),
        integer("age_ms"),
        integer("margin"),
        text("state"),
        integer("started_at"),
        integer("step_at"),
        integer("ended_at", null=True),
        text("reason", null=True),
        text("evidence", null=True),
        text("watched", null=True),
    ),
    keys=(("id",),),
)


class NewRollout(msgspec.Struct, frozen=True):
    """A row to insert; `steps` and `watched` are JSON."""

    id: int
    automation: str
    old_version: int
    new_version: int
    fingerprint: str
    steps: str
    step: int
    hold_ms: int
    in_flight: InFlightPolicy
    age_ms: int
    margin: int
    state: RolloutState
    started_at: int
    step_at: int
    watched: str | None


def _read_steps(value: object) -> tuple[int, ...]:
    return msgspec.json.decode(cast("str", value), type=tuple[int, ...])


def _read_watched(value: object) -> tuple[WatchedMeasurement, ...]:
    return () if value is None else msgspec.json.decode(cast("str", value), type=tuple[WatchedMeasurement, ...])


ROLLOUT: Final = RowType(Rollout, TABLE, converters={"steps": _read_steps, "watched": _read_watched})
NEW_ROLLOUT: Final = InsertedRow(NewRollout, TABLE)

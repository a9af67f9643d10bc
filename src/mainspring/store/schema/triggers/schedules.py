"""Schedules. Schedules, as the workers announced them or as a person or program created them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.time.schedule import Schedule
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "schedules",
    (
        text("name", refers_to=Reference.SCHEDULE),
        text("automation", refers_to=Reference.AUTOMATION),
        text("key", null=True),
        blob("spec"),
        integer("spec_at", null=True),
        blob("input", null=True),
        integer("low_water_at"),
        integer("last_slot_at", null=True),
        integer("next_slot_at", null=True),
        integer("retired_at", null=True),
        text("options", null=True),
        integer("version"),
        integer("paused_at", null=True),
        integer("created_at", null=True),
        integer("deleted_at", null=True),
    ),
    keys=(("name",),),
)


class CreatedSchedule(msgspec.Struct, frozen=True):
    """A schedule that a person or program created. `options` = what they stated, canonical. `version` = the number of its last change.

    `input` = the sealed input of its runs.
    """

    name: str
    automation: str
    spec: bytes
    input: bytes
    low_water_at: int
    last_slot_at: int | None
    next_slot_at: int | None
    retired_at: int | None
    options: Mapping[str, Any]
    version: int
    paused_at: int | None
    created_at: int
    deleted_at: int | None


def decode_schedule(spec: bytes) -> Schedule:
    """Return the schedule of a row."""
    return Schedule.from_data(msgspec.json.decode(spec))


class NewCreatedSchedule(msgspec.Struct, frozen=True):
    """A row to insert, or to write over a deleted one; `options` is JSON."""

    name: str
    automation: str
    spec: bytes
    spec_at: int
    input: bytes
    low_water_at: int
    next_slot_at: int | None
    options: str
    version: int
    created_at: int


CREATED_SCHEDULE: Final = RowType(
    CreatedSchedule, TABLE, converters={"options": lambda value: msgspec.json.decode(str(value))}
)
NEW_CREATED_SCHEDULE: Final = InsertedRow(NewCreatedSchedule, TABLE)

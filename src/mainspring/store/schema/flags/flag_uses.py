"""Flag uses. The questions of an hour: what each flag answered, and to which automation.

A rename of an automation leaves them as they are.
"""

from typing import Final

import msgspec

from mainspring.domain.flags.flag import FlagReason, FlagSide
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "flag_uses",
    (
        integer("hour_at"),
        integer("session"),
        text("flag"),
        text("automation"),
        text("side"),
        text("reason"),
        integer("number"),
        integer("last_at"),
        integer("last_command"),
    ),
    keys=(("hour_at", "session", "flag", "automation", "side", "reason"),),
)


class NewFlagUse(msgspec.Struct, frozen=True):
    """A row to insert or to count up."""

    hour_at: int
    session: int
    flag: str
    automation: str
    side: FlagSide
    reason: FlagReason
    number: int
    last_at: int
    last_command: int


class FlagUseCount(msgspec.Struct, frozen=True):
    """The questions of a span about one flag, with one result. `first_at` = the start of the hour of the first one."""

    flag: str
    automation: str
    side: FlagSide
    reason: FlagReason
    number: int
    last_at: int
    first_at: int


NEW_FLAG_USE: Final = InsertedRow(NewFlagUse, TABLE)
FLAG_USE_COUNT: Final = RowType(
    FlagUseCount, TABLE, expressions={"number": "sum(number)", "last_at": "max(last_at)", "first_at": "min(hour_at)"}
)

"""Flag answers. The side and the value that a run got for a key: the first answer counts until the run ends."""

from typing import Final

import msgspec

from mainspring.domain.flags.flag import FlagKind, FlagReason, FlagSide
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "flag_answers",
    (
        text("run"),
        integer("generation"),
        text("flag"),
        text("key_hash"),
        text("kind", null=True),
        text("side"),
        text("reason"),
        text("value", null=True),
        integer("answered_at"),
    ),
    keys=(("run", "generation", "flag", "key_hash"),),
)


class NewFlagAnswer(msgspec.Struct, frozen=True):
    """A row to insert."""

    run: str
    generation: int
    flag: str
    key_hash: str
    kind: FlagKind | None
    side: FlagSide
    reason: FlagReason
    value: str | None
    answered_at: int


class RecordedAnswer(msgspec.Struct, frozen=True):
    """An answer on record; `kind` None = there was no flag, `value` None = the default of the code that asks."""

    kind: FlagKind | None
    value: str | None
    side: FlagSide
    reason: FlagReason


NEW_FLAG_ANSWER: Final = InsertedRow(NewFlagAnswer, TABLE)
FLAG_ANSWER: Final = RowType(RecordedAnswer, TABLE)

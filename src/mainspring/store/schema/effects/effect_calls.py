"""Effect calls. What became of each call of a key by a step."""

from typing import Final

import msgspec

from mainspring.domain.effects.effect import CallOutcome
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "effect_calls",
    (
        integer("seq"),
        text("key"),
        text("id"),
        text("run"),
        text("ident"),
        integer("attempt"),
        text("outcome"),
        integer("at"),
        text("note", null=True),
    ),
    keys=(("seq",),),
)


class EffectCallRow(msgspec.Struct, frozen=True):
    """One call: `id` = the effect that it had or found."""

    key: str
    id: str
    run: str
    ident: str
    attempt: int
    outcome: CallOutcome
    at: int
    note: str | None


EFFECT_CALL: Final = RowType(EffectCallRow, TABLE)
NEW_CALL: Final = InsertedRow(EffectCallRow, TABLE)

"""Effect calls. What became of each call of a key by a step."""

from typing import Final

import msgspec

from mainspring.domain.effects.effect import CallOutcome
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text
from mainspring.store.views import BlockedCall

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


BLOCKED_CALL: Final = RowType(
    BlockedCall,
    TABLE,
    expressions={
        "owner": "effects.owner",
        "automation": "effects.automation",
        "run": "effects.run",
        "run_state": "runs.state",
        "window_ends_at": "effects.settled_at + effects.within_ms",
    },
)
MOST_BLOCKED: Final = 100
"""How many blocked calls of one run are read."""
EFFECT_CALL: Final = RowType(EffectCallRow, TABLE)
NEW_CALL: Final = InsertedRow(EffectCallRow, TABLE)

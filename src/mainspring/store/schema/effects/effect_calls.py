"""Effect calls. What became of each call of a key by a step."""

from typing import Final

import msgspec

from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.states import RunState
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


class BlockedCall(msgspec.Struct, frozen=True):
    """The last call of a step, which an effect in doubt of another holder blocks.

    `owner`, `automation` and `run` are those of the holder, `run_state` is that of its run. `window_ends_at` = the doubt ends then, by the
    windows of all calls; None = a person must decide.
    """

    ident: str
    key: str
    owner: str
    automation: str | None
    run: str | None
    run_state: RunState | None
    window_ends_at: int | None


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

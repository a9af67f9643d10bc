"""Effects. The last effect of each key."""

from typing import Final

import msgspec

from mainspring.domain.effects.effect import EarlierEffect, EffectRecord
from mainspring.domain.states import SessionState
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, integer, text, value

TABLE: Final = TableSchema(
    "effects",
    (
        text("key"),
        text("id"),
        text("state"),
        integer("intent"),
        integer("repeats"),
        integer("started_at"),
        integer("settled_at", null=True),
        integer("within_ms", null=True),
        text("recovery"),
        text("identity_hash"),
        value("identity"),
        value("result", null=True),
        text("refused", null=True),
        text("note", null=True),
        text("decided_by", null=True),
        text("owner"),
        text("call_id"),
        text("automation", null=True, refers_to=Reference.AUTOMATION),
        integer("session", null=True),
        text("run", null=True),
        text("ident", null=True),
        text("step_key", null=True),
        integer("attempt", null=True),
        integer("skips"),
        integer("suppressed"),
        integer("skipped_at", null=True),
        text("skipped_by", null=True),
        integer("disputed"),
    ),
    keys=(("key",),),
)


class HeldEffect(msgspec.Struct, frozen=True):
    """An effect, and the state of its holder's session."""

    session_state: SessionState | None
    effect: EffectRecord


EFFECT: Final = RowType(EffectRecord, TABLE)
HELD_EFFECT: Final = RowType(
    HeldEffect, TABLE, expressions={"session_state": "sessions.state"}, part=("effect", EFFECT)
)
EARLIER_EFFECT: Final = RowType(EarlierEffect, TABLE, expressions={"changed_at": "coalesce(settled_at, started_at)"})
NEW_EFFECT: Final = InsertedRow(EffectRecord, TABLE)

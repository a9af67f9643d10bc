"""Secret uses. Who had which version of a secret, for what, counted by hour.

A rename of an automation leaves them as they are: the digest of a day covers them.
"""

from typing import Final

import msgspec

from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "secret_uses",
    (
        integer("hour_at"),
        integer("session"),
        text("secret"),
        text("version"),
        text("provider"),
        text("automation"),
        text("step"),
        text("actor"),
        integer("number"),
        integer("first_at"),
        integer("last_at"),
        integer("last_command"),
    ),
    keys=(("hour_at", "session", "secret", "version", "provider", "automation", "step", "actor"),),
)


class NewSecretUse(msgspec.Struct, frozen=True):
    """A row to insert or to count up."""

    hour_at: int
    session: int
    secret: str
    version: str
    provider: str
    automation: str
    step: str
    actor: str
    number: int
    first_at: int
    last_at: int
    last_command: int


class SecretUseCount(msgspec.Struct, frozen=True):
    """The uses of one version in an hour by a step, of all sessions of one actor."""

    hour_at: int
    secret: str
    version: str
    provider: str
    automation: str
    step: str
    actor: str
    number: int
    first_at: int
    last_at: int


NEW_SECRET_USE: Final = InsertedRow(NewSecretUse, TABLE)
SECRET_USE_COUNT: Final = RowType(
    SecretUseCount,
    TABLE,
    expressions={"number": "sum(number)", "first_at": "min(first_at)", "last_at": "max(last_at)"},
)

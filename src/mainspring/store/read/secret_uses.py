"""Reads of the uses of secrets."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from mainspring.store.base import StoreReader
from mainspring.store.schema.processes.secret_uses import SECRET_USE_COUNT, SecretUseCount

MOST_OF_A_DAY = 100_000


class LastSecretUse(NamedTuple):
    """The last use of a version."""

    secret: str
    version: str
    automation: str
    step: str
    actor: str
    last_at: int


def list_secret_uses(
    reader: StoreReader, secret: str | None, from_at: int, until_at: int, limit: int
) -> Sequence[SecretUseCount]:
    """Return the uses in the hours of an interval, newest first; `secret` None = of all."""
    return SECRET_USE_COUNT.read_all(reader.read("list_secret_uses", (secret, from_at, until_at, limit)))


def list_old_attempts(reader: StoreReader, before_at: int) -> list[tuple[str, int]]:
    """Return the automations, each with its version, that have a running attempt from before an instant."""
    rows = reader.read("list_automations_of_old_attempts", (before_at,))
    return [(str(automation), cast("int", version)) for automation, version in rows]


def list_last_uses(reader: StoreReader, since_at: int) -> list[LastSecretUse]:
    """Return the last use of each version of each secret since an instant."""
    return [LastSecretUse(*row) for row in reader.read("list_last_secret_uses", (since_at,))]

"""The user's own database, as a transactional step needs it; the same for each kind of database.

Invariants: the row that records an effect is written in the transaction of the effect, so both exist or neither. A
connection serves one attempt and is never the engine's own. While it is open only `commit` can commit on it, not even
`raw` can.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from mainspring.domain.errors import MainspringError, Transient

Parameters = Sequence[object] | Mapping[str, object]
Row = tuple[Any, ...]

#: The table of effects, in the user's database.
TABLE = "mainspring_effects"


class TransactionError(MainspringError):
    """The code of a transactional step used its transaction as only the engine may."""

    code = "transaction"


class UnknownCommitError(Transient):
    """A commit reported failure, so its outcome is unknown. The next attempt looks up the row of the effect."""

    code = "unknown_commit"


class EarlierAttemptError(Transient):
    """Another attempt of the same effect holds its key; nothing was done. This attempt is too early, or a zombie."""

    code = "earlier_attempt"


class StoredEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One completed effect: `result` is canonical JSON, `at` milliseconds UTC."""

    key: str
    result: bytes
    run: str
    step: str
    at: int


class EffectConnection(Protocol):
    """The connection of one attempt. Errors of a statement are those of the database's own library."""

    @property
    def raw(self) -> object:
        """The library's own connection."""
        ...

    @property
    def last_rowid(self) -> int:
        """The id of the row inserted last."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is still open; a database may end it itself."""
        ...

    def begin(self) -> None:
        """Begin the transaction as a writer: of two attempts the second waits here for the first."""
        ...

    def find(self, key: str) -> bytes | None:
        """Return the result of the effect with this key; None if it was not done."""
        ...

    def save(self, effect: StoredEffect) -> None:
        """Insert the row of the effect."""
        ...

    def commit(self) -> None:
        """Commit. Raises UnknownCommitError if it failed and may have committed anyway."""
        ...

    def execute(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run the statements to their end and return all rows."""
        ...

    def interrupt(self) -> None:
        """Stop the running statement and all later ones; from any thread, without waiting."""
        ...

    def close(self) -> None:
        """Roll back uncommitted changes and close; never raises."""
        ...


class EffectDatabase(Protocol):
    """One database of the user."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def open(self) -> EffectConnection:
        """Return a new connection.

        Raises:
            ConfigError: there is no such database, or it is a store of ours.
        """
        ...

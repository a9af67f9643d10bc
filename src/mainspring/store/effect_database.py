"""What a transactional step needs of the user's own database, whichever kind it is.

Invariants: the row that names an effect is written in the transaction that does the effect, so there are both or neither; a connection
serves one attempt and is never the engine's own; while it is open nobody but `commit` can commit on it, not even through `raw`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from mainspring.domain.errors import MainspringError, Transient

Parameters = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]

#: The table of effects, in the user's database.
TABLE = "mainspring_effects"


class TransactionError(MainspringError):
    """The code of a transactional step does with its transaction what only the engine may."""

    code = "transaction"


class UnknownCommitError(Transient):
    """A commit reported failure, so nobody knows whether it took place; the next attempt looks the effect's row up."""

    code = "unknown_commit"


class EarlierAttemptError(Transient):
    """Another attempt of the same effect holds its key; nothing was done. Who asks is either too early, or a zombie."""

    code = "earlier_attempt"


class StoredEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One effect that was done: `result` is canonical JSON, `at` milliseconds UTC."""

    key: str
    result: bytes
    run: str
    step: str
    at: int


class EffectConnection(Protocol):
    """One attempt's own connection. Faults of a statement are raised as the database's own library raises them."""

    @property
    def raw(self) -> Any:
        """The library's own connection."""
        ...

    @property
    def last_rowid(self) -> int:
        """The id of the row that was inserted last."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is still open; a database may end it by itself."""
        ...

    def begin(self) -> None:
        """Begin the transaction as a writer: of two attempts the second waits here for the first."""
        ...

    def find(self, key: str) -> bytes | None:
        """Return the result of the effect with this key, None if it was not done."""
        ...

    def save(self, effect: StoredEffect) -> None:
        """Write the effect's row."""
        ...

    def commit(self) -> None:
        """Commit. Raises UnknownCommitError if it failed and may have taken place all the same."""
        ...

    def execute(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run the statements to their end and return all rows."""
        ...

    def interrupt(self) -> None:
        """Stop the statement that runs, and those that begin later; from any thread, without waiting."""
        ...

    def close(self) -> None:
        """Roll back what is not committed and close; never raises."""
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

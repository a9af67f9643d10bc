"""The transaction of a transactional step, `ms.Tx`, and the limits of its use.

Invariants: one thread uses it at a time; nothing is written after the step ended or its attempt was abandoned;
abandoning never waits, and releases the database's lock at once, or when the running statement ends.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, get_args, get_origin, overload

from mainspring.domain.errors import DefinitionError
from mainspring.domain.values.function_signature import read_first_parameter
from mainspring.engine.attempts.step_context import raise_attempt_closed
from mainspring.store.effect_database import (
    EffectConnection,
    EffectDatabase,
    Parameters,
    Row,
    StoredEffect,
    TransactionError,
)

DEFAULT_DATABASE = "default"


class OpenTransaction:
    """One attempt's transaction: opened by the attempt, ended by it or by `abandon`, whichever comes first."""

    def __init__(self, database: EffectDatabase, step: str) -> None:
        self._database = database
        self._step = step
        self._lock = threading.RLock()
        self._connection: EffectConnection | None = None
        self._fault: Exception | None = None
        self._ended = False
        self._abandoned = False

    def begin(self) -> None:
        """Open a connection and begin; `end` is owed even if this raises.

        Raises what EffectDatabase.open and EffectConnection.begin raise, and AttemptClosed.
        """
        with self._lock:
            if self._abandoned:
                raise_attempt_closed(self._step)
            self._connection = self._database.open()
            self._connection.begin()

    @contextmanager
    def use(self) -> Iterator[EffectConnection]:
        """Yield the connection to one thread at a time.

        Raises:
            AttemptClosed: the attempt was abandoned.
            TransactionError: the step has ended, or the transaction has. The error that ended it is raised again.
        """
        try:
            with self._lock:
                connection = self._usable()
                try:
                    yield connection
                except Exception as fault:
                    self._fault = fault
                    raise
        finally:
            self._settle()

    def _usable(self) -> EffectConnection:
        if self._abandoned:
            raise_attempt_closed(self._step)
        if self._ended or self._connection is None:
            raise TransactionError(
                f"the transaction of step {self._step!r} was used after its end",
                hint="Use `tx` only inside the step, and in threads only while the step waits for them.",
            )
        if not self._connection.in_transaction:
            raise self._fault or TransactionError(f"the transaction of step {self._step!r} was ended by its own code")
        return self._connection

    def abandon(self) -> None:
        """End it without waiting; afterwards nothing is committed any more, unless it already was."""
        self._abandoned = True
        connection = self._connection
        if connection is not None and not self._ended:
            connection.interrupt()
        self._settle()

    def end(self) -> None:
        """Roll back what is not committed."""
        with self._lock:
            self._close()

    def _settle(self) -> None:
        """Close an abandoned transaction. The holder of the lock checks again after releasing it, so nothing stays open."""
        if self._abandoned and self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def _close(self) -> None:
        self._ended = True
        if self._connection is not None:
            self._connection.close()  # again if the step was just using `raw` when it was abandoned

    def find(self, key: str) -> bytes | None:
        """Return the saved result of the effect with this key."""
        with self.use() as connection:
            return connection.find(key)

    def commit(self, *effects: StoredEffect) -> None:
        """Write the rows of the effect and commit."""
        with self.use() as connection:
            for effect in effects:
                connection.save(effect)
            connection.commit()


class Rows:
    """All rows of a statement as tuples; iterate, index, or fetch as from a cursor."""

    __slots__ = ("_next", "_rows")

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._next = 0

    def fetchone(self) -> Row | None:
        """Return the next row, None after the last."""
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchall(self) -> list[Row]:
        """Return the rows that were not fetched yet."""
        rest = self._rows[self._next :]
        self._next = len(self._rows)
        return rest

    def __iter__(self) -> Iterator[Row]:
        """Iterate over all rows."""
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        return self._rows[place]


class Tx:
    """The open transaction of a transactional step: what is written here is committed together with the step's result, or not at all.

    Statements that would begin, commit or roll back are refused: return to commit, raise to roll back.
    """

    __slots__ = ("_transaction",)

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    def execute(self, sql: str, parameters: Parameters = ()) -> Rows:
        """Run a statement with its parameters (a sequence for `?`, a mapping for `:name`) and return its rows.

        Raises:
            TransactionError: it would begin, commit or roll back; or the step has ended. And what the database raises.
        """
        with self._transaction.use() as connection:
            return Rows(connection.execute(sql, parameters))

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run a statement once for the parameters of each row. Raises as `execute`."""
        for parameters in rows:
            with self._transaction.use() as connection:
                connection.execute(sql, parameters)

    @property
    def last_rowid(self) -> int:
        """The id of the row that was inserted last in this transaction."""
        with self._transaction.use() as connection:
            return connection.last_rowid

    @property
    def connection(self) -> Any:
        """The library's own connection (an `apsw.Connection` for SQLite), as guarded as `execute`; closed when the step ends."""
        with self._transaction.use() as connection:
            return connection.raw


def database_name(fn: Callable[..., Any], subject: str) -> str:
    """Return the name of the database that a transactional function writes to: "default", or that of `tx: Annotated[ms.Tx, "name"]`.

    Raises:
        DefinitionError: the first parameter is no `ms.Tx`; `subject` names the function in its message.
    """
    name, annotation = read_first_parameter(fn) or ("", None)
    names = [DEFAULT_DATABASE]
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        names = [note for note in notes if isinstance(note, str)] or names
    # An annotation that only type checkers can resolve counts as Any: then the parameter's name decides.
    if annotation is not Tx and not (annotation is Any and name == "tx"):
        raise DefinitionError(
            f"{subject} is transactional, but its first parameter is not an ms.Tx",
            hint="Write def step(tx: ms.Tx, ...) and use tx for all its writes, or choose another delivery=.",
        )
    return names[0]

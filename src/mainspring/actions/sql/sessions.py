"""Sessions with a user's database: one connection for one call, or the transaction of a transactional step.

Invariants: a session that reads cannot write; no statement runs longer than its time limit; what is not committed is rolled back.
"""

import contextlib
import decimal
import itertools
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import apsw

from mainspring.actions.base.project_settings import CURRENT_SECRETS, current_project
from mainspring.actions.sql.portable_session import open_portable_session
from mainspring.actions.sql.statements import condition_values, make_count, make_insert, make_update
from mainspring.app.stores.store_factory import make_effect_database
from mainspring.domain.errors import ConfigError, MainspringError, UnknownNameError
from mainspring.domain.redaction.secret_name import fill_references
from mainspring.domain.text.server_url import redact_url
from mainspring.engine.attempts.transaction import Tx
from mainspring.resources.database_places import DATABASE_PLACES
from mainspring.store.effect_database import UnknownCommitError
from mainspring.store.sqlite.effect_database import SqliteEffectConnection, SqliteEffectDatabase

if TYPE_CHECKING:
    import psycopg

    from mainspring.store.postgres.effect_database import PostgresEffectDatabase

Database = str | Tx
_DEADLINE_STEPS = 10_000
_NATIVE_SCHEMES = ("sqlite:", "postgresql:", "postgres:")
"""Schemes of addresses that need no SQLAlchemy."""


class SqlSession(Protocol):
    """One session. `location` names the database in errors."""

    location: str

    def begin(self) -> None:
        """Begin a transaction, if the session has its own."""

    def commit(self) -> None:
        """Commit it, if the session has its own."""

    def read(self, statement: str, parameters: Any, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns, and up to `most` rows."""

    def insert_row(self, table: str, values: Mapping[str, Any], key: Sequence[str], *, is_update: bool) -> bool:
        """Insert a row; if its key exists, update it or leave it. Return whether a row was inserted or updated."""

    def update_rows(self, table: str, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> int:
        """Update rows; return how many."""

    def count_rows(self, table: str, conditions: Mapping[str, Any]) -> int:
        """Count rows."""

    def load_rows(
        self, table: str, columns: Sequence[str], key: Sequence[str], rows: Iterable[Sequence[Any]], *, is_update: bool
    ) -> None:
        """Insert rows; those whose key exists are updated or left."""


@contextlib.contextmanager
def open_session(database: Database, *, timeout_s: float, is_read_only: bool = False) -> Iterator[SqlSession]:
    """Yield a session, and roll back at its end what is not committed.

    Raises:
        ConfigError: no database has the name, or the address cannot be used.
        Exception: of the library of the database, if it cannot be reached.
    """
    if isinstance(database, Tx):
        yield _open_transaction(database)
        return
    name, place = find_database_place(database)
    if not place.startswith(_NATIVE_SCHEMES) and "://" in place:
        with open_portable_session(name, fill_references(place, CURRENT_SECRETS.get)) as session:
            yield session
        return
    target = make_effect_database(name, place, CURRENT_SECRETS.get)
    if isinstance(target, SqliteEffectDatabase):
        with _open_sqlite(target, timeout_s, is_read_only=is_read_only) as session:
            yield session
    else:
        with _open_postgres(target, timeout_s, is_read_only=is_read_only) as session:  # type: ignore[arg-type]
            yield session


def find_database_place(database: str) -> tuple[str, str]:
    """Return the name for errors, and the address of a database.

    Raises:
        ConfigError: no database has the name.
    """
    if "://" in database:
        return redact_url(database), database
    place = DATABASE_PLACES.find(database)
    if place is not None:
        return database, place
    configured = current_project().settings.databases
    if database in configured:
        return database, configured[database].url
    unknown = UnknownNameError("database", database, [*DATABASE_PLACES.names(), *configured])
    fix = f'Name its file in mainspring.toml: [databases], then {database} = "sqlite:///app.db".'
    if not database.isidentifier():
        fix = (
            f'If it is a file, write "sqlite:///{database}". Otherwise use a name from [databases] in mainspring.toml.'
        )
    raise ConfigError(unknown.message, hint=unknown.hint or fix)


def describe_database(database: Database) -> str:
    """Return a database for errors."""
    if isinstance(database, Tx):
        return "of the transactional step"
    return repr(redact_url(database))


def _open_transaction(tx: Tx) -> SqlSession:
    raw = tx.connection
    if isinstance(raw, apsw.Connection):
        return _SqliteSession(raw, describe_database(tx))
    return _PostgresSession(raw, describe_database(tx))


class _StatementSession:
    """A session that sends the statements of `statements`, with the placeholder `mark`."""

    mark: str

    def insert_row(self, table: str, values: Mapping[str, Any], key: Sequence[str], *, is_update: bool) -> bool:
        statement = make_insert(table, list(values), key, mark=self.mark, is_update=is_update, is_counted=True)
        return self.change(statement, list(values.values())) > 0

    def update_rows(self, table: str, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> int:
        statement = make_update(table, values, conditions, mark=self.mark)
        return self.change(statement, [*values.values(), *condition_values(conditions)])

    def count_rows(self, table: str, conditions: Mapping[str, Any]) -> int:
        _, rows = self.read(make_count(table, conditions, mark=self.mark), condition_values(conditions), 1)
        return int(rows[0][0])

    def load_rows(
        self, table: str, columns: Sequence[str], key: Sequence[str], rows: Iterable[Sequence[Any]], *, is_update: bool
    ) -> None:
        self.change_many(make_insert(table, columns, key, mark=self.mark, is_update=is_update, is_counted=False), rows)

    def read(self, statement: str, parameters: Any, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns, and up to `most` rows."""
        raise NotImplementedError

    def change(self, statement: str, parameters: Sequence[Any]) -> int:
        """Run a statement; return how many rows it returns."""
        raise NotImplementedError

    def change_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row."""
        raise NotImplementedError


# -- SQLite --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _open_sqlite(database: SqliteEffectDatabase, timeout_s: float, *, is_read_only: bool) -> Iterator[SqlSession]:
    location = repr(database.name)
    if is_read_only:
        with contextlib.closing(database.open_reader(timeout_s)) as raw:
            _limit_time(raw, timeout_s)
            yield _SqliteSession(raw, location)
        return
    with contextlib.closing(database.open(timeout_s)) as connection:
        _limit_time(connection.raw, timeout_s)
        yield _SqliteSession(connection.raw, location, connection)


def _limit_time(raw: apsw.Connection, timeout_s: float) -> None:
    until = monotonic() + timeout_s
    raw.set_progress_handler(lambda: monotonic() > until, _DEADLINE_STEPS, id="action")


class _SqliteSession(_StatementSession):
    """A connection of apsw. `own` = the guarded connection to begin and commit on; None in a transactional step, or for reading."""

    mark = "?"

    def __init__(self, raw: apsw.Connection, location: str, own: SqliteEffectConnection | None = None) -> None:
        self.location = location
        self._raw = raw
        self._own = own

    def begin(self) -> None:
        if self._own is not None:
            self._own.begin_writes()

    def commit(self) -> None:
        if self._own is None:
            return
        try:
            self._own.commit()
        except UnknownCommitError as error:
            if isinstance(error.__cause__, apsw.FullError):  # SQLite has rolled back
                raise error.__cause__ from None
            raise

    def read(self, statement: str, parameters: Any, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = self._raw.execute(statement, _sqlite_parameters(parameters))
        try:
            columns = [str(column[0]) for column in cursor.get_description()]
        except apsw.ExecutionCompleteError:
            columns = []
        return columns, list(itertools.islice(cursor, most))

    def change(self, statement: str, parameters: Sequence[Any]) -> int:
        return len(list(self._raw.execute(statement, _sqlite_parameters(parameters))))

    def change_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._raw.executemany(statement, (_sqlite_parameters(row) for row in rows))


def _sqlite_parameters(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _sqlite_value(value) for name, value in parameters.items()}
    return [_sqlite_value(value) for value in parameters]


def _sqlite_value(value: Any) -> Any:
    """Return a value as SQLite stores it: dates and exact numbers as text, objects as JSON."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _open_postgres(database: "PostgresEffectDatabase", timeout_s: float, *, is_read_only: bool) -> Iterator[SqlSession]:
    with contextlib.closing(database.connect(timeout_s, is_read_only=is_read_only)) as raw:
        yield _PostgresSession(raw, f"{database.name!r} at {database.location}", is_own=True)


class _PostgresSession(_StatementSession):
    """A connection of psycopg. `is_own` = it begins and commits; not in a transactional step."""

    mark = "%s"

    def __init__(self, raw: "psycopg.Connection[Any]", location: str, *, is_own: bool = False) -> None:
        self.location = location
        self._raw = raw
        self._is_own = is_own

    def begin(self) -> None:
        """A statement begins the transaction."""

    def commit(self) -> None:
        if self._is_own:
            self._raw.commit()

    def read(self, statement: str, parameters: Any, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        values = _postgres_parameters(parameters) or None
        if not self._is_own:
            cursor = self._raw.execute(statement.encode(), values)
            return [column.name for column in cursor.description or ()], cursor.fetchmany(most)
        with self._raw.cursor() as cursor:
            stream: Any = cursor.stream(statement.encode(), values)
            with contextlib.closing(stream):
                rows = list(itertools.islice(stream, most))  # the rest never arrives
            return [column.name for column in cursor.description or ()], rows

    def change(self, statement: str, parameters: Sequence[Any]) -> int:
        return len(self._raw.execute(statement.encode(), _postgres_parameters(parameters)).fetchall())

    def change_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._raw.cursor() as cursor:
            cursor.executemany(statement.encode(), [_postgres_parameters(row) for row in rows])


def _postgres_parameters(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _postgres_value(value) for name, value in parameters.items()}
    return [_postgres_value(value) for value in parameters]


def _postgres_value(value: Any) -> Any:
    """Return a value as psycopg sends it: objects as JSON text, which fits columns of json, jsonb and text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def is_library_error(error: BaseException) -> bool:
    """Return whether an error is one of a library of a database, and not one of ours."""
    is_own = isinstance(error, MainspringError)
    module = type(error).__module__.partition(".")[0]
    return not is_own and (
        module in ("apsw", "psycopg", "sqlalchemy") or isinstance(error, TypeError | ValueError | OverflowError)
    )

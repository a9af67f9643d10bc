"""Portable session: any database that SQLAlchemy knows, with statements that every one of them has.

Invariants: names are quoted by SQLAlchemy, values are parameters. An insert that finds its key is rolled back to a savepoint. A session
that only reads is rolled back.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainspring.actions.sql.statements import quote_columns, quote_table, require_key
from mainspring.domain.errors import ArgumentError, ConfigError
from mainspring.domain.extras import install_command

if TYPE_CHECKING:
    import sqlalchemy


@contextlib.contextmanager
def open_portable_session(name: str, url: str) -> Iterator["PortableSession"]:
    """Yield a session; at its end what is not committed is rolled back.

    Raises:
        ConfigError: SQLAlchemy or the driver is not installed, or the address cannot be read.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise ConfigError(f"the database {name!r} needs sqlalchemy", hint=install_command("sql")) from None
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, hide_parameters=True)
    except ModuleNotFoundError as missing:
        raise ConfigError(f"the database {name!r} needs {missing.name}", hint=f"pip install {missing.name}") from None
    except (sqlalchemy.exc.ArgumentError, ValueError):
        hint = "Write DIALECT+DRIVER://USER@HOST:PORT/DATABASE, as SQLAlchemy does."
        raise ConfigError(f"the address of the database {name!r} cannot be read", hint=hint) from None
    with engine.connect() as connection:
        yield PortableSession(connection, repr(name))


class PortableSession:
    """One connection of SQLAlchemy, with its own transaction."""

    def __init__(self, connection: "sqlalchemy.Connection", location: str) -> None:
        self.location = location
        self._connection = connection

    def begin(self) -> None:
        """The first statement begins the transaction."""

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.commit()

    def read(self, statement: str, parameters: Any, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns, and up to `most` rows. Raises ArgumentError if the parameters have no names."""
        import sqlalchemy

        if parameters and not isinstance(parameters, Mapping):
            hint = 'Write ":name" in the statement, and {"name": value}.'
            raise ArgumentError("the parameters of a query through SQLAlchemy need names", hint=hint)
        result = self._connection.execute(sqlalchemy.text(statement), dict(parameters))
        if not result.returns_rows:
            return [], []
        return list(result.keys()), [tuple(row) for row in itertools.islice(result, most)]

    def insert_row(self, table: str, values: Mapping[str, Any], key: Sequence[str], *, is_update: bool) -> bool:
        """Insert a row; if its key exists, update it or leave it. Return whether a row was inserted or updated."""
        import sqlalchemy

        conditions = {name: values[name] for name in require_key(key, list(values))}
        changes = {name: value for name, value in values.items() if name not in conditions}
        if is_update and changes and self.update_rows(table, changes, conditions):
            return True
        if self.count_rows(table, conditions):
            return False
        try:
            with self._connection.begin_nested():
                self._connection.execute(_table(table, values).insert(), dict(values))
        except sqlalchemy.exc.IntegrityError:
            if not self.count_rows(table, conditions):  # it is another constraint
                raise
            return bool(is_update and changes and self.update_rows(table, changes, conditions))
        return True

    def update_rows(self, table: str, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> int:
        """Update rows; return how many."""
        target = _table(table, {**values, **conditions})
        statement = target.update().where(*_conditions(target, conditions)).values(dict(values))
        return self._connection.execute(statement).rowcount

    def count_rows(self, table: str, conditions: Mapping[str, Any]) -> int:
        """Count rows."""
        import sqlalchemy

        target = _table(table, conditions)
        statement = sqlalchemy.select(sqlalchemy.func.count()).select_from(target)
        return int(self._connection.execute(statement.where(*_conditions(target, conditions))).scalar_one())

    def load_rows(
        self, table: str, columns: Sequence[str], key: Sequence[str], rows: Iterable[Sequence[Any]], *, is_update: bool
    ) -> None:
        """Insert rows, one after the other; those whose key exists are updated or left."""
        for row in rows:
            self.insert_row(table, dict(zip(columns, row, strict=True)), key, is_update=is_update)


def _table(table: str, columns: Iterable[str]) -> "sqlalchemy.TableClause":
    """Return a table with these columns, all of them quoted. Raises ArgumentError for a name that cannot be used."""
    import sqlalchemy

    quote_table(table)
    names = list(columns)
    quote_columns(names)
    schema, _, name = table.rpartition(".")
    return sqlalchemy.table(
        sqlalchemy.quoted_name(name, quote=True),
        *(sqlalchemy.column(sqlalchemy.quoted_name(column, quote=True)) for column in names),
        schema=sqlalchemy.quoted_name(schema, quote=True) if schema else None,
    )


def _conditions(
    table: "sqlalchemy.TableClause", conditions: Mapping[str, Any]
) -> "list[sqlalchemy.ColumnElement[bool]]":
    return [table.c[name].is_(None) if value is None else table.c[name] == value for name, value in conditions.items()]

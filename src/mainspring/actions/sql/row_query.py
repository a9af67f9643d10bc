"""Query of rows: a statement that only reads."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.sql.sessions import Database, SqlSession, describe_database, is_library_error, open_session
from mainspring.actions.sql.sql_errors import SqlActionError, make_sql_error
from mainspring.actions.sql.statements import statement_kind
from mainspring.domain.duration import SpanInput, parse_duration

_MAX_ROWS = 10_000


def query(
    database: Database,
    statement: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    *,
    timeout: SpanInput = "30s",
    max_rows: int = _MAX_ROWS,
) -> list[dict[str, Any]]:
    """Return the rows of a statement, each as a mapping by column.

    Parameters are those of the database's library: `?` and `:name` in SQLite, `%s` and `%(name)s` in PostgreSQL, `:name` through
    SQLAlchemy. More than `max_rows` rows are an error. `timeout` also limits the wait for locks.

    Safe to run twice because it only reads: the connection, or in PostgreSQL the transaction, is read-only, and through SQLAlchemy it is
    rolled back. In a transactional step the statement is part of its transaction.

    Example:
        sql.query("shop", "select id, total from orders where day = ?", [day])

    Raises:
        SqlActionError: the statement failed, or has too many rows.
        SqlUnavailableError, NotSent: the database is busy or full, or does not answer.
        ConfigError: there is no such database.
    """
    refuse_event_loop("sql.query")
    kind = statement_kind(statement)
    with open_described(database, timeout, kind, None, is_read_only=True) as session:
        columns, rows = session.read(statement, parameters, max_rows + 1)
    if len(rows) > max_rows:
        raise SqlActionError(
            f"{kind} returns more than {max_rows:,} rows\nin the database {describe_database(database)}",
            hint="Add a limit to the statement, or raise max_rows=.",
        )
    return [dict(zip(columns, row, strict=True)) for row in rows]


query_async = in_thread(query)


@contextlib.contextmanager
def open_described(
    database: Database,
    timeout: SpanInput,
    kind: str,
    table: str | None,
    *,
    key: tuple[str, ...] = (),
    is_read_only: bool = False,
) -> Iterator[SqlSession]:
    """Yield a session; errors of the library become errors that name statement and table.

    Raises:
        SqlActionError, SqlUnavailableError: instead of an error of the library.
    """
    timeout_s = parse_duration(timeout).total_seconds()
    location = describe_database(database)
    try:
        with open_session(database, timeout_s=timeout_s, is_read_only=is_read_only) as session:
            location = session.location
            yield session
    except Exception as error:
        if not is_library_error(error):
            raise
        raise make_sql_error(error, kind, table, location, key) from None  # its text may have values

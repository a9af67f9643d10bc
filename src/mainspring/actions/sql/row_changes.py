"""Changes of rows that are safe to repeat: insert once, upsert, guarded update."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.sql.row_query import open_described
from mainspring.actions.sql.sessions import Database
from mainspring.actions.sql.statements import require_key, require_values
from mainspring.domain.duration import SpanInput
from mainspring.store import failpoints


class RowUpdate(msgspec.Struct, frozen=True):
    """The result of `update_where`: rows that this call changed, and rows that had the new values before."""

    changed: int
    unchanged: int


def insert_once(
    database: Database,
    table: str,
    values: Mapping[str, Any],
    *,
    key: str | Sequence[str],
    timeout: SpanInput = "30s",
) -> bool:
    """Insert a row unless its key exists; return whether this call inserted it. An existing row is not changed.

    `key` = the columns of a unique index or primary key.

    Safe to run twice because the unique index of `key` accepts one row for each key, also from two calls at once. The second call returns
    False and changes nothing.

    Example:
        sql.insert_once("shop", "payments", {"order_id": 7, "amount": 12}, key="order_id")

    Raises:
        SqlActionError: the statement failed, such as for a `key` without a unique index.
        SqlUnavailableError, NotSent: the database is busy or full, or does not answer.
        ArgumentError, ConfigError: a name cannot be used, or there is no such database.
    """
    refuse_event_loop("sql.insert_once")
    return _insert(database, table, values, key, timeout, is_update=False)


insert_once_async = in_thread(insert_once)


def upsert(
    database: Database,
    table: str,
    values: Mapping[str, Any],
    *,
    key: str | Sequence[str],
    timeout: SpanInput = "30s",
) -> None:
    """Insert a row, or set these columns of the row that has its key. Other columns of that row are not changed.

    Safe to run twice because the second call sets the same columns to the same values.

    Example:
        sql.upsert("shop", "customers", {"id": 7, "name": "Ann"}, key="id")

    Raises:
        SqlActionError: the statement failed, such as for a `key` without a unique index.
        SqlUnavailableError, NotSent: the database is busy or full, or does not answer.
        ArgumentError, ConfigError: a name cannot be used, or there is no such database.
    """
    refuse_event_loop("sql.upsert")
    _insert(database, table, values, key, timeout, is_update=True)


upsert_async = in_thread(upsert)


def update_where(
    database: Database,
    table: str,
    values: Mapping[str, Any],
    *,
    where: Mapping[str, Any],
    expect: Mapping[str, Any] | None = None,
    timeout: SpanInput = "30s",
) -> RowUpdate:
    """Set columns of the rows that `where` names, if they still have the old values of `expect`; return how many rows changed.

    `where` and `expect` compare columns for equality; None = the column is null.

    Safe to run twice because rows that have the new values are not those of `expect` any more. The second call changes none, and counts
    them as `unchanged`. Without `expect` it sets the same values again, also over a change that another program made meanwhile.

    Example:
        sql.update_where("shop", "orders", {"state": "paid"}, where={"id": 7}, expect={"state": "open"})

    Raises:
        SqlActionError: the statement failed.
        SqlUnavailableError, NotSent: the database is busy or full, or does not answer.
        ArgumentError, ConfigError: a name cannot be used, or there is no such database.
    """
    refuse_event_loop("sql.update_where")
    require_values(values)
    conditions = {**require_values(where, "where"), **(expect or {})}
    with open_described(database, timeout, "UPDATE", table) as session:
        session.begin()
        changed = session.update_rows(table, values, conditions)
        unchanged = 0 if changed else session.count_rows(table, {**where, **values})
        session.commit()
    return RowUpdate(changed, unchanged)


update_where_async = in_thread(update_where)


def _insert(
    database: Database,
    table: str,
    values: Mapping[str, Any],
    key: str | Sequence[str],
    timeout: SpanInput,
    *,
    is_update: bool,
) -> bool:
    keys = tuple(require_key(key, list(require_values(values))))
    with open_described(database, timeout, "INSERT into", table, key=keys) as session:
        session.begin()
        is_changed = session.insert_row(table, values, keys, is_update=is_update)
        failpoints.hit("sql.changed")
        session.commit()
        failpoints.hit("sql.committed")
    return is_changed

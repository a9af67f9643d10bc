"""SQL actions: query, insert once, upsert, guarded update and bulk load, in SQLite and PostgreSQL, and in others through SQLAlchemy.

A database is a name of `[databases]`, a URL, or the `ms.Tx` of a transactional step. Names of tables and columns are checked and quoted,
values are always parameters, and no error shows a value.
"""

from mainspring.actions.sql.bulk_load import BulkLoad, bulk_load, bulk_load_async
from mainspring.actions.sql.row_changes import (
    RowUpdate,
    insert_once,
    insert_once_async,
    update_where,
    update_where_async,
    upsert,
    upsert_async,
)
from mainspring.actions.sql.row_query import query, query_async
from mainspring.actions.sql.sql_errors import SqlActionError, SqlUnavailableError

__all__ = [
    "BulkLoad",
    "RowUpdate",
    "SqlActionError",
    "SqlUnavailableError",
    "bulk_load",
    "bulk_load_async",
    "insert_once",
    "insert_once_async",
    "query",
    "query_async",
    "update_where",
    "update_where_async",
    "upsert",
    "upsert_async",
]

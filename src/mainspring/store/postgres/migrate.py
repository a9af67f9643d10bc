"""Migration of a store's schema to the form of this version.

Migrations (see schema_version.py) run in order, each in one transaction together with the row that records it: a
process killed at any statement leaves the old or the new schema. With an advisory lock one of several processes that
start at once migrates; the others find it done. A role without the right to change tables opens a store that needs no
change.
"""

import functools
import re
from math import inf
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from mainspring.store import failpoints
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import BEGIN, UNHURRIED, ServerConnection
from mainspring.store.schema.row import first_value
from mainspring.store.schema_version import FIRST, LAST, Migration, label_of, load_migrations, require_known_version

_ADD = "insert into meta (key, value) values ($1, $2) on conflict (key) do nothing"
_PUT = "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value"
_PARTS = re.compile(r"\$\$.*?\$\$|--[^\n]*|'(?:[^']|'')*'|;", re.DOTALL)


@functools.cache
def migrations() -> list[Migration]:
    """Return the migrations of this version, in order; read once per process."""
    return load_migrations(Path(__file__).parent / "migrations")


def created_names(kind: Literal["index", "table"]) -> set[str]:
    """Return the names of the indexes or tables that the migrations create."""
    pattern = re.compile(rf"(create(?: unique)?|drop) {kind} (?:if (?:not )?exists )?(\w+)", re.IGNORECASE)
    names: set[str] = set()
    for _, _, text in migrations():
        for verb, name in pattern.findall(text):
            if verb.lower() == "drop":
                names.discard(name)
            else:
                names.add(name)
    return names


def statements(text: str) -> list[str]:
    """Split the text of a migration into its statements."""
    texts, start = [], 0
    for match in _PARTS.finditer(text):
        if match[0] == ";":
            texts.append(text[start : match.end()].strip())
            start = match.end()
    return texts


def version_of(connection: ServerConnection, schema: str) -> int:
    """Return the number of the last migration of this store; 0 without a store."""
    return versions_of(connection, schema)[0]


def versions_of(connection: ServerConnection, schema: str) -> tuple[int, str | None]:
    """Return the number of the last migration and the label of the first; (0, None) without a store."""
    rows = connection.execute("select to_regclass($1)", (f"{schema}.meta",)).fetchall()
    if first_value(rows, str) is None:
        return 0, None
    query = sql.SQL("select key, value from {}.meta where key in ($1, $2)").format(sql.Identifier(schema))
    found: dict[str, str] = dict(connection.execute(query.as_string(connection), (LAST, FIRST)).fetchall())
    return (int(found[LAST][:4]), found.get(FIRST)) if LAST in found else (0, None)


def migrate(connection: ServerConnection, address: Address, known: list[Migration] | None = None) -> list[str]:
    """Run the missing migrations; return their names.

    Raises:
        StoreTooNewError: the store was made by a newer version of this program.
        StoreError: it was made by a development version.
        psycopg.Error: the role may not change tables.
    """
    known = migrations() if known is None else known
    names: list[str] = []
    while True:
        last_number, first = versions_of(connection, address.schema)
        require_known_version(last_number, first, known, address.location)
        missing = [migration for migration in known if migration[0] > last_number]
        if not missing:
            return names
        # All tables of a new store appear in one commit: other processes see no store, never an old schema.
        names += _run(connection, address.schema, missing if last_number == 0 else missing[:1])


def _run(connection: ServerConnection, schema: str, missing: list[Migration]) -> list[str]:
    """Run migrations in one transaction without a time limit; return their names, or none if another process ran them
    meanwhile.
    """
    connection.execute(BEGIN)
    within, connection.answers_within = connection.answers_within, inf
    try:
        connection.execute(UNHURRIED)
        connection.execute("select pg_advisory_xact_lock(hashtext($1))", (f"mainspring.migrate.{schema}",))
        if version_of(connection, schema) >= missing[0][0]:
            connection.execute("rollback")
            return []
        quoted = sql.Identifier(schema).as_string(connection)
        if connection.execute("select to_regnamespace($1)", (quoted,)).fetchone() == (None,):
            connection.execute(f"create schema {quoted}")
        connection.execute("select set_config('search_path', $1, true)", (schema,))
        for migration in missing:
            for statement in statements(migration[2]):
                connection.execute(statement)
                failpoints.hit("migrate.statement")
            connection.execute(_PUT, (LAST, label_of(migration)))
            connection.execute(_ADD, (FIRST, label_of(migration)))
            failpoints.hit("migrate.statement")
        connection.execute("commit")
    except BaseException:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE and not connection.closed:
            connection.execute("rollback")
        raise
    finally:
        connection.answers_within = within
    failpoints.hit("migrate.done")
    return [name for _, name, _ in missing]

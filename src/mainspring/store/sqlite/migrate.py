"""Bringing the tables of a store to the form this version needs.

Migrations (see schema_version.py) run in order, each in one transaction together with the row that says it is done, so a process that is
killed at any statement leaves either the old or the new form. Must be called inside the turnstile: of several processes that start at once
one migrates, the others find it done.
"""

import functools
import re
from pathlib import Path

import apsw

from mainspring.domain.errors import StoreError
from mainspring.store import failpoints
from mainspring.store.schema_version import (
    FIRST,
    LAST,
    Migration,
    label_of,
    load_migrations,
    require_current_version,
    require_known_version,
)

APPLICATION_ID = 0x4D_53_50_47
"""Says in the file's header that it is a store of ours (MSPG)."""
_ADD = "insert into meta (key, value) values (?, ?) on conflict do nothing"
_PUT = "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value"


@functools.cache
def migrations() -> list[Migration]:
    """Return the migrations this version knows, in order; read once a process."""
    return load_migrations(Path(__file__).parent / "migrations")


def version_of(connection: apsw.Connection) -> int:
    """Return the number of the last migration that was done to this store; 0 for an empty file."""
    return int(connection.pragma("user_version"))


def statements(text: str) -> list[str]:
    """Take the text of a migration apart into its statements."""
    found, start = [], 0
    for end in (match.end() for match in re.finditer(";", text)):
        if apsw.complete(part := text[start:end]):
            found.append(part)
            start = end
    return found


def migrate(connection: apsw.Connection, known: list[Migration] | None = None) -> list[str]:
    """Run what is missing; return the names of the migrations that were run.

    Raises:
        StoreTooNewError: the store was made by a newer version of this program.
        StoreError: the file is a database of something else, or of a development version.
    """
    known = migrations() if known is None else known
    require_known(connection, known)
    done = version_of(connection)
    if done == 0 and connection.execute("select count(*) from sqlite_schema").get:
        raise StoreError(
            f"the file is a database, but not a store of ours\nat {connection.filename}",
            hint="Name another file as the store.",
        )
    missing = [migration for migration in known if migration[0] > done]
    # A new store comes into being at once: whoever looks meanwhile finds none, and not one of an old form.
    for together in [missing] if done == 0 else [[one] for one in missing]:
        if together:
            _run(connection, together)
    return [name for _, name, _ in missing]


def require_known(connection: apsw.Connection, known: list[Migration] | None = None) -> None:
    """Do nothing if this version understands the store.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: the file is a database of something else, or of a development version.
    """
    number, first = _versions(connection)
    require_known_version(number, first, migrations() if known is None else known, connection.filename)


def require_current(connection: apsw.Connection) -> None:
    """Do nothing if the store, which is there, has the form that this version reads.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: it has to be migrated first; or as of require_known.
    """
    require_current_version(*_versions(connection), migrations(), connection.filename)


def _versions(connection: apsw.Connection) -> tuple[int, str | None]:
    """Return the number of the last migration and the label of the first. Raises StoreError: the file is another program's."""
    number, mark = version_of(connection), connection.pragma("application_id")
    if mark != APPLICATION_ID and (mark or number):
        raise StoreError(
            f"the file belongs to another program\nat {connection.filename}", hint="Name another file as the store."
        )
    if not number:
        return 0, None
    return number, connection.execute("select value from meta where key = ?", (FIRST,)).get


def _run(connection: apsw.Connection, missing: list[Migration]) -> None:
    """Run migrations in one transaction."""
    connection.execute("begin immediate")
    try:
        for migration in missing:
            for statement in statements(migration[2]):
                connection.execute(statement)
                failpoints.hit("migrate.statement")
            label = label_of(migration)
            connection.execute(_PUT, (LAST, label))
            connection.execute(_ADD, (FIRST, label))
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", migration[0])
            failpoints.hit("migrate.statement")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    failpoints.hit("migrate.done")

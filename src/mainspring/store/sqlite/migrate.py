"""Migration of a store's tables to the schema of this version.

Migrations (see schema_version.py) run in order, each in one transaction together with the row that records it: a
process killed at any statement leaves the old or the new schema. Call it with the write lock held: of several processes
that start at once one migrates, the others find it done.
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
"""The mark of a store of Mainspring in the file's header (MSPG)."""
_ADD = "insert into meta (key, value) values (?, ?) on conflict do nothing"
_PUT = "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value"


@functools.cache
def migrations() -> list[Migration]:
    """Return the migrations of this version, in order; read once per process."""
    return load_migrations(Path(__file__).parent / "migrations")


def version_of(connection: apsw.Connection) -> int:
    """Return the number of the last migration of this store; 0 for an empty file."""
    return int(connection.pragma("user_version"))


def statements(text: str) -> list[str]:
    """Split the text of a migration into its statements."""
    texts, start = [], 0
    for end in (match.end() for match in re.finditer(";", text)):
        if apsw.complete(part := text[start:end]):
            texts.append(part)
            start = end
    return texts


def migrate(connection: apsw.Connection, known: list[Migration] | None = None) -> list[str]:
    """Run the missing migrations; return their names.

    Raises:
        StoreTooNewError: the store was made by a newer version of this program.
        StoreError: the file is another program's database, or of a development version.
    """
    known = migrations() if known is None else known
    require_known(connection, known)
    last_number = version_of(connection)
    if last_number == 0 and connection.execute("select count(*) from sqlite_schema").get:
        raise StoreError(
            f"the file is a database, but not a store of Mainspring\nat {connection.filename}",
            hint="Use another file as the store.",
        )
    missing = [migration for migration in known if migration[0] > last_number]
    # All tables of a new store appear in one commit: other processes see no store, never an old schema.
    for batch in [missing] if last_number == 0 else [[migration] for migration in missing]:
        if batch:
            _run(connection, batch)
    return [name for _, name, _ in missing]


def require_known(connection: apsw.Connection, known: list[Migration] | None = None) -> None:
    """Check that this version supports the store.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: the file is another program's database, or of a development version.
    """
    number, first = _versions(connection)
    require_known_version(number, first, migrations() if known is None else known, connection.filename)


def require_current(connection: apsw.Connection) -> None:
    """Check that the existing store has the schema that this version reads.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: it has to be migrated first; or as of require_known.
    """
    require_current_version(*_versions(connection), migrations(), connection.filename)


def _versions(connection: apsw.Connection) -> tuple[int, str | None]:
    """Return the number of the last migration and the label of the first. Raises StoreError: the file is another
    program's.
    """
    number, mark = version_of(connection), connection.pragma("application_id")
    if mark != APPLICATION_ID and (mark or number):
        raise StoreError(
            f"the file belongs to another program\nat {connection.filename}", hint="Use another file as the store."
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

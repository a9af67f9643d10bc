"""Bringing the tables of a store to the form this version needs.

`migrations/NNNN_name.sql` are run in order, each in one transaction together with the row that says it is done, so a process that is killed
at any statement leaves either the old or the new form. Must be called inside the turnstile: of several processes that start at once one
migrates, the others find it done.
"""

import functools
import re
from pathlib import Path

import apsw

from mainspring.domain.errors import StoreError, StoreTooNewError
from mainspring.store import failpoints

Migration = tuple[int, str, str]
"""Number, name and text."""

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
APPLICATION_ID = 0x4D_53_50_47
"""Says in the file's header that it is a store of ours (MSPG)."""


@functools.cache
def migrations() -> list[Migration]:
    """Return the migrations this version knows, in order; read once a process."""
    folder = Path(__file__).parent / "migrations"
    found = [
        (int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    return sorted(found)


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
        StoreError: the file is a database of something else.
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
        StoreTooNewError: it does not.
        StoreError: the file is a database of something else.
    """
    newest = max((number for number, _, _ in (migrations() if known is None else known)), default=0)
    mark = connection.pragma("application_id")
    if mark not in (0, APPLICATION_ID):
        raise StoreError(
            f"the file belongs to another program\nat {connection.filename}", hint="Name another file as the store."
        )
    if version_of(connection) > newest:
        raise StoreTooNewError(
            f"the store has form {version_of(connection)}, this version knows {newest}\nat {connection.filename}",
            hint="Use the newer version of mainspring that wrote it.",
        )


def _run(connection: apsw.Connection, missing: list[Migration]) -> None:
    """Run migrations in one transaction."""
    connection.execute("begin immediate")
    try:
        for number, name, text in missing:
            for statement in statements(text):
                connection.execute(statement)
                failpoints.hit("migrate.statement")
            connection.execute(
                "insert into meta (key, value) values ('schema', ?) on conflict do update set value = excluded.value",
                (f"{number:04}_{name}",),
            )
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", number)
            failpoints.hit("migrate.statement")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    failpoints.hit("migrate.done")

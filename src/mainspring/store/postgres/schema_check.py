"""Check of the schema of a server's store: its version, for programs that only read, and its tables after a fault."""

import psycopg

from mainspring.domain.errors import MainspringError, NoStoreError, StoreUnavailableError
from mainspring.store.base import PermissionDeniedError, StoreBrokenError
from mainspring.store.maintenance.move_marker import error_of_move
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.error_table import GRANT, translate
from mainspring.store.postgres.migrate import created_names, migrations, version_of, versions_of
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.schema_version import require_current_version


def schema_version_of(address: Address) -> int:
    """Return the schema version of the store, 0 without one. Raises StoreUnavailableError."""
    try:
        with connect(address) as connection:
            return version_of(connection, address.schema)
    except psycopg.Error as fault:
        raise translate(fault, address.location) or fault from fault


def require_schema_version(address: Address) -> None:
    """Check that the store has the schema that this version reads.

    Raises:
        NoStoreError: there is none.
        StoreMovedError: it was moved elsewhere, or is being filled.
        StoreTooNewError: a newer version wrote it.
        StoreError: it has to be migrated first, was made by a development version, or cannot be reached.
    """
    try:
        with connect(address) as connection:
            number, first = versions_of(connection, address.schema)
            marks = []
            if number:
                connection.execute("begin read only")
                connection.execute("select set_config('search_path', $1, true)", (address.schema,))
                marks = connection.execute(TEXTS["read_move_markers"]).fetchall()
                connection.execute("commit")
    except psycopg.Error as fault:
        raise translate(fault, address.location) or fault from fault
    if number == 0:
        raise NoStoreError(
            f"there is no store\nat {address.location}",
            hint="Create one: mainspring up, or mainspring db migrate --create as the owner of the tables.",
        )
    require_current_version(number, first, migrations(), address.location)
    if (moved := error_of_move(marks, address.location)) is not None:
        raise moved


def explain_fault(fault: Exception, address: Address) -> MainspringError | None:
    """Return the error of error_table.translate, but report a table as missing only if it is.

    PostgreSQL also reports a table as missing if the role may not see its schema. The grant may be back by now, so only
    the tables themselves show which of both it was.
    """
    error = translate(fault, address.location)
    if not isinstance(error, StoreBrokenError):
        return error
    try:
        with connect(address) as connection:
            rows = connection.execute(TEXTS["list_tables_of_schema"], (address.schema,)).fetchall()
    except (psycopg.Error, MainspringError) as unreachable:
        reason = unreachable.message if isinstance(unreachable, MainspringError) else str(unreachable)
        return StoreUnavailableError(reason)
    if created_names("table") - {str(name) for (name,) in rows}:
        return error
    return PermissionDeniedError(
        f"this database role may not do that\nat {address.location}: permission denied for schema {address.schema}",
        hint=GRANT,
    )

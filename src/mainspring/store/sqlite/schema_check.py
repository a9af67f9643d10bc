"""Check of the schema version of a file, for programs that only read."""

from pathlib import Path

from mainspring.domain.errors import NoStoreError
from mainspring.store.maintenance.move_marker import error_of_move
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.migrate import require_current, require_known, version_of
from mainspring.store.sqlite.texts import TEXTS


def require_schema_version(path: Path) -> None:
    """Check that the store has the schema that this version reads.

    Raises:
        StoreMovedError: it was moved elsewhere, or is being filled.
        StoreTooNewError: a newer version wrote it.
        StoreError: it has to be migrated first, was made by a development version, or is another program's file.
    """
    connection = connect(path, read_only=True)
    try:
        require_known(connection)
        if version_of(connection) == 0:  # another process is creating it, or left it empty
            raise NoStoreError(f"there is no store, only an empty file\nat {path}", hint="Create one: mainspring up")
        require_current(connection)
        marks = connection.execute(TEXTS["read_move_markers"]).fetchall()
    finally:
        connection.close(True)
    if (moved := error_of_move(marks, str(path))) is not None:
        raise moved

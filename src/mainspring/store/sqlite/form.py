"""Whether a file has the form that this version reads; asked by whoever only reads and may change nothing."""

from pathlib import Path

from mainspring.domain.errors import NoStoreError, StoreError
from mainspring.store.moved import refusal
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.migrate import migrations, require_known, version_of
from mainspring.store.sqlite.texts import TEXTS


def require_form(path: Path) -> None:
    """Do nothing if the store has the form that this version reads.

    Raises:
        StoreMovedError: it was moved elsewhere, or is being filled.
        StoreTooNewError: a newer version wrote it.
        StoreError: it has to be brought to the present form first, or is none of ours.
    """
    connection = connect(path, read_only=True)
    try:
        require_known(connection)
        has, wants = version_of(connection), migrations()[-1][0]
        marks = connection.execute(TEXTS["read_move_markers"]).fetchall() if has else []
    finally:
        connection.close(True)
    if has == 0:  # another process makes it at this moment, or left it empty
        raise NoStoreError(f"there is no store, only an empty file\nat {path}", hint="Create one: mainspring up")
    if has < wants:
        raise StoreError(
            f"the store has form {has}, this version needs {wants}\nat {path}", hint="Run: mainspring db migrate"
        )
    if (moved := refusal(marks, str(path))) is not None:
        raise moved

"""The error table: the only one from SQLite's errors to Mainspring's.

It contains only failures of the file, the disk or its users. Other errors (a constraint, a value that does not fit)
belong to one statement and so to one command.
"""

from pathlib import Path

import apsw

from mainspring.domain.errors import (
    MainspringError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from mainspring.store.base import SideFileFullError, StoreBrokenError, StoreDamagedError

_Fault = tuple[type[MainspringError], str, str]

_RESTART = "This process must end; a new one reads what is on the disk."
_FULL: _Fault = (
    StoreFullError,
    "the disk of the store is full",
    "Free space on it. Then runs of workers continue by themselves; call a script or program again.",
)
_FAULTS: dict[type[apsw.Error], _Fault] = {
    apsw.FullError: _FULL,
    apsw.ReadOnlyError: (
        StoreReadOnlyError,
        "the store is read-only",
        "Make the file and its folder writable for this user.",
    ),
    apsw.IOError: (StoreBrokenError, "the disk reports an error", _RESTART),
    apsw.NoMemError: (StoreBrokenError, "there is no memory left", _RESTART),
    apsw.CorruptError: (
        StoreDamagedError,
        "the store's file is damaged",
        "Restore a backup: mainspring down, then mainspring db restore FILE. To list the damage: mainspring db check",
    ),
    apsw.NotADBError: (StoreBrokenError, "the file is not a SQLite database", "Use another file as the store."),
    apsw.BusyError: (
        StoreUnavailableError,
        "another program has locked the store",
        "End that program (a database shell?). Processes of Mainspring wait for each other by themselves.",
    ),
    apsw.LockedError: (StoreUnavailableError, "the store is locked", "Try again."),
    apsw.ProtocolError: (StoreUnavailableError, "the store is locked", "Try again."),
    apsw.SchemaChangeError: (StoreUnavailableError, "the store's tables are being changed", "Try again."),
    apsw.InterruptError: (StoreUnavailableError, "the statement was interrupted", "Try again."),
    apsw.CantOpenError: (
        StoreUnavailableError,
        "the store's file cannot be opened",
        "Check that its folder exists, and that this user may enter and write it.",
    ),
}
_EXTENDED: dict[int, _Fault] = {
    # The shared index beside the file could not grow: the disk is full too.
    apsw.SQLITE_IOERR_SHMSIZE: (SideFileFullError, *_FULL[1:]),
    apsw.SQLITE_READONLY_DBMOVED: (StoreBrokenError, "the store's file was moved or replaced", _RESTART),
}


def translate(fault: Exception, where: Path) -> MainspringError | None:
    """Return the error that a fault of the store at `where` means; None if the fault belongs to a statement."""
    if not isinstance(fault, apsw.Error):
        return None
    row = _EXTENDED.get(getattr(fault, "extendedresult", 0)) or _FAULTS.get(type(fault))
    if row is None:
        return None
    kind, text, hint = row
    return kind(f"{text}\nat {where}: {fault}", hint=hint)


def statement_error(fault: Exception, where: Path) -> MainspringError:
    """Return the same, also for a fault of a statement."""
    return translate(fault, where) or StoreError(f"the file refused a statement\nat {where}: {fault}")

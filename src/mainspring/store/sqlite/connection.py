"""Connection to the store's file: with a safe SQLite, on a local disk, with settings that keep every acknowledged
commit.

WAL with `synchronous=FULL` survives a power cut; no caller can weaken it. Call it with the fair write lock held if the
file may have to be created.
"""

import errno
import os
import stat
import sys
from pathlib import Path

import apsw

from mainspring.domain.errors import (
    MainspringError,
    StoreForbiddenError,
    StoreFullError,
    StoreHeldError,
    StoreReadOnlyError,
    StoreUnavailableError,
    UnsafeSqliteError,
)
from mainspring.store.base import NotAStoreError, StoreBrokenError
from mainspring.store.side_files import create_side_file, describe_owner, make_side_folder
from mainspring.store.sqlite.damage import error_of_fault
from mainspring.store.sqlite.fair_write_lock import write_queue_file_of
from mainspring.store.sqlite.file_identity import FORBIDDEN_HINT, is_there, unreachable
from mainspring.store.sqlite.filesystem import has_free_inode, refuse_network

_BUSY_MS = 250
_CACHED_STATEMENTS = 400
_CACHE_KIB = 16_384
_SETTINGS = f"""
pragma synchronous = full;
pragma foreign_keys = off;
pragma mmap_size = 0;
pragma cache_size = -{_CACHE_KIB};
pragma temp_store = memory;
pragma cell_size_check = on;
pragma trusted_schema = off;
pragma journal_size_limit = 67108864;
"""


def refuse_unsafe_sqlite(version: str) -> None:
    """Check that this SQLite lacks the bug that can damage a WAL file when two connections write or checkpoint at once.

    Raises:
        UnsafeSqliteError: it has the bug.
    """
    number = tuple(int(part) for part in version.split(".")[:3])
    is_fixed = number >= (3, 51, 3) or (3, 50, 7) <= number < (3, 51) or (3, 44, 6) <= number < (3, 45)
    if not is_fixed:
        raise UnsafeSqliteError(
            f"SQLite {version} could damage the store: it resets the write-ahead log while another process uses it",
            hint="Install apsw 3.51.3 or newer: pip install 'apsw>=3.51.3'",
        )


def prepare_folder(path: Path, hint: str = "Create it yourself, or use another file as the store.") -> None:
    """Create the folder of the store if it is missing (only this user may enter it). `hint` = the hint of the error.

    Raises:
        StoreReadOnlyError: it cannot be created.
        StoreUnavailableError: a part of the path is no folder.
    """
    try:
        make_side_folder(path.parent)
    except (PermissionError, OSError) as error:
        kind = StoreReadOnlyError if isinstance(error, PermissionError) or error.errno == 30 else StoreUnavailableError
        raise kind(
            f"the folder of the store cannot be created\nat {path.parent}: {error.strerror}; "
            f"{describe_owner(path.parent)}",
            hint=hint,
        ) from error


def refuse_foreign(path: Path) -> None:
    """Check that there is no file yet, an empty one, or a SQLite database.

    Raises:
        NotAStoreError: it is a folder, a device, or a file of another kind.
        StoreDamagedError: it was a store, and its beginning is lost.
    """
    try:
        status = path.stat()
    except OSError:
        return  # missing, or opening it raises a better error
    hint = "Use another file as the store: --store, or store.url in mainspring.toml."
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise NotAStoreError(f"the store is {kind}\nat {path}", hint=hint)
    if status.st_size == 0:
        return
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.execute("pragma schema_version").fetchall()
        finally:
            connection.close(True)
    except apsw.NotADBError as fault:
        if os.path.exists(write_queue_file_of(path)):  # noqa: PTH110 - no error on EACCES; it was a store before something wrote over it
            raise error_of_fault(fault, path) or fault from fault
        raise NotAStoreError(f"the store is not a SQLite database\nat {path}", hint=hint) from None
    except apsw.Error:
        return  # locked or damaged: opening it raises the error


def connect(path: Path, *, read_only: bool = False, create: bool = True) -> apsw.Connection:
    """Open the store's file. A new file gets its permanent settings before its first table.

    Raises:
        UnsafeSqliteError: this SQLite, or a network file system, could damage the file.
        StoreReadOnlyError: the file or its folder may not be written.
        StoreForbiddenError: this user may not reach or read the file.
        StoreHeldError: another program has locked it.
        StoreUnavailableError: there is no such file or folder.
        StoreBrokenError: it is no database, or is damaged.
    """
    refuse_unsafe_sqlite(apsw.sqlite_lib_version())
    refuse_network(path)
    if not read_only and create:
        _create_file(path)
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    connection: apsw.Connection | None = None
    try:
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=_CACHED_STATEMENTS)
        connection.set_busy_timeout(_BUSY_MS)
        if not read_only and connection.readonly("main"):
            raise unwritable(path)
        _configure(connection, read_only=read_only)
    except (apsw.Error, MainspringError) as fault:
        if connection is not None:
            connection.close(True)
        if isinstance(fault, MainspringError):
            raise
        raise _error_of_opening(fault, path, read_only=read_only) from fault
    return connection


def _create_file(path: Path) -> None:
    """Create an empty file for this user alone. Only a new file is opened: closing a descriptor of a file in use would
    drop its locks.
    """
    try:
        os.close(create_side_file(path, os.O_RDWR))
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise StoreUnavailableError(f"the folder of the store does not exist\nat {path.parent}") from error
    except OSError as error:
        raise not_made(path, error) from error


def _configure(connection: apsw.Connection, *, read_only: bool) -> None:
    if not read_only and connection.pragma("page_count") == 0:
        connection.pragma("auto_vacuum", "incremental")  # only before the first table; it lets the file shrink
    if read_only:
        connection.pragma("query_only", True)
    elif connection.pragma("journal_mode") != "wal" and connection.pragma("journal_mode", "wal") != "wal":
        raise UnsafeSqliteError("the store cannot keep a write-ahead log here", hint="Put it on another file system.")
    connection.execute(_SETTINGS).fetchall()  # to the end: otherwise it stops at the first setting that returns a row
    if sys.platform == "darwin":
        connection.pragma("fullfsync", True)
        connection.pragma("checkpoint_fullfsync", True)


def unwritable(path: Path, reason: str = "no right to write") -> StoreReadOnlyError:
    """Return the error for a file or folder that may only be read, with its owner."""
    is_file = path.exists() and not os.access(path, os.W_OK)
    owner = describe_owner(path) if is_file else describe_owner(path.parent, "its folder")
    return StoreReadOnlyError(
        f"the store is read-only\nat {path}: {reason}; {owner}",
        hint="Make the file and its folder writable for this user.",
    )


def unreadable(path: Path) -> StoreForbiddenError:
    """Return the error for a file that this user may not read, with its owner."""
    return StoreForbiddenError(
        f"the store cannot be read by this user\nat {path}: {describe_owner(path)}", hint=FORBIDDEN_HINT
    )


def unopenable(path: Path, fault: apsw.Error) -> StoreReadOnlyError:
    """Return the error for a readable file that cannot be opened: SQLite writes an index beside it for readers too."""
    return StoreReadOnlyError(
        f"the store cannot be read by a user without the right to write beside it\nat {path}: {fault}; "
        f"{describe_owner(path)}; {describe_owner(path.parent, 'its folder')}",
        hint="Run this as the owner of the store, or give this user the right to write the file and its folder.",
    )


def not_made(path: Path, error: OSError) -> MainspringError:
    """Return the error for a file of the store, or a side file, that could not be created."""
    if error.errno in (errno.EACCES, errno.EPERM) and not os.access(path.parent, os.X_OK):
        return unreachable(path, error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return unwritable(path, str(error.strerror))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(path, str(error.strerror))
    return StoreUnavailableError(
        f"a file of the store cannot be created\nat {path}: {error.strerror}",
        hint="Fix that, or use another file as the store.",
    )


def _full(path: Path, reason: str) -> StoreFullError:
    if not has_free_inode(path.parent):
        reason = "no inode is free for another file (df -i)"
    return StoreFullError(
        f"the disk of the store is full\nat {path}: {reason}", hint="Free space on it, then try again."
    )


def _error_of_opening(fault: apsw.Error, path: Path, *, read_only: bool) -> MainspringError:
    """Return the error that a fault means while the file is being opened."""
    if isinstance(fault, apsw.BusyError):
        return StoreHeldError(
            f"another program has locked the store\nat {path}", hint="End it (a database shell?), then try again."
        )
    if isinstance(fault, apsw.CantOpenError | apsw.ReadOnlyError) and is_there(path):
        if not os.access(path, os.R_OK):
            return unreadable(path)
        if os.access(path.parent, os.W_OK) and not has_free_inode(path.parent):
            return _full(path, str(fault))
        return unopenable(path, fault) if read_only else unwritable(path, str(fault))
    return error_of_fault(fault, path) or StoreBrokenError(f"the store cannot be opened\nat {path}: {fault}")

"""Backup of a SQLite file of the user, by the online backup of SQLite, verified by opening the copy.

Invariant: rows are counted and pages are copied in one read transaction, so that the copy must have exactly these rows, although other
programs write during the copy.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import apsw

from mainspring.actions.backup.backup_errors import BackupError, BackupUnavailableError
from mainspring.actions.backup.backup_record import DatabaseBackup, Snapshot, make_backup
from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.stop_request import stoppable
from mainspring.actions.files.file_errors import FileUnavailableError
from mainspring.actions.files.place import FilePath, RootPath, read_target
from mainspring.actions.sql.sessions import find_database_place
from mainspring.config.locations import store_path
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ConfigError
from mainspring.store.sqlite.filesystem import refuse_network
from mainspring.store.sqlite.migrate import APPLICATION_ID
from mainspring.triggers.files.folder import printable_path

_PAGES_PER_STEP = 2_000
_CHECK_EVERY = 10_000
"""Instructions of SQLite between two checks of the time."""
_ROLLBACK_JOURNAL = b"\x01\x01"
_JOURNAL_OFFSET = 18
"""Bytes 18 and 19 of a file: 2 = it needs a write-ahead log, 1 = it does not. A backup is one file, without a log."""
_TABLES = """select name from pragma_table_list
where schema = 'main' and type in ('table', 'shadow') and name not like 'sqlite\\_%' escape '\\'"""


def sqlite(
    database: FilePath,
    *,
    to: FilePath,
    root: RootPath = None,
    make_folders: bool = False,
    timeout: SpanInput = "1h",
) -> DatabaseBackup:
    """Back up a SQLite file to the file `to`, and verify the backup: integrity, and as many rows in each table.

    `database` = a path, the name of a database in the configuration, or sqlite:///PATH. `to` names one backup, so write the date of its
    slot into it. `root` = the folder that `to` may not leave. `make_folders` = create missing folders. `timeout` = for the whole backup.
    Programs may write to the database during the backup: if it has a write-ahead log, they do not notice; otherwise their commits wait.

    Safe to run twice because the backup gets its name only after it was verified, and a name is never written again. A second call with
    this name finds the backup, compares its checksum with its record, and returns it. The next call removes what a killed call left behind.

    Example:
        backup.sqlite("orders.db", to=f"backups/orders-{day}.db", make_folders=True)

    Raises:
        BackupError: the database is damaged, another file has this name, or the backup of this name is damaged.
        BackupUnavailableError: the database is locked, or `timeout` is over.
        FileActionError, FileUnavailableError, PathOutsideRootError: there is no database, the disk is full, or `to` cannot be written.
    """
    refuse_event_loop("backup.sqlite")
    until = monotonic() + parse_duration(timeout).total_seconds()
    target = read_target(to, root)
    source = _find_file(database)
    name = printable_path(str(source))

    def write(path: Path, descriptor: int) -> Snapshot:
        with _stoppable(until) as is_over, _describe_sqlite_errors(name, printable_path(target.text)):
            return _copy_and_verify(source, path, descriptor, until, is_over)

    return make_backup(target, "sqlite", name, write, make_folders=make_folders)


sqlite_async = in_thread(sqlite)


class _Stop(threading.Event):
    """Whether a backup has to stop: it was cancelled, or its time is over."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self._until = until

    def __call__(self) -> bool:
        return self.is_set() or monotonic() > self._until


@contextmanager
def _stoppable(until: float) -> Iterator[_Stop]:
    stop = _Stop(until)
    with stoppable(stop.set):
        yield stop


def _find_file(database: FilePath) -> Path:
    """Return the absolute path of the file. Raises FileActionError, ConfigError."""
    text = os.fspath(database)
    if "://" in text or ("/" not in text and "." not in text and not Path(text).exists()):
        address = find_database_place(text)[1]
        if not address.startswith("sqlite:") and "://" in address:
            raise ConfigError(f"the database {text!r} is no SQLite file", hint="Use backup.postgres() for PostgreSQL.")
        text = str(store_path(address))
    path = Path(text).absolute()
    with read_target(path, None).open("back up") as place:
        os.close(place.open_file())
    real = path.resolve()
    try:
        str(real).encode()
    except UnicodeEncodeError:
        raise BackupError(
            f"SQLite cannot open a path that is not UTF-8: {printable_path(str(real))}",
            hint="Rename the folder or file.",
        ) from None
    return real


def _copy_and_verify(source: Path, path: Path, descriptor: int, until: float, is_over: _Stop) -> Snapshot:
    refuse_network(source)
    with closing(apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)) as origin:
        _limit(origin, until, is_over)
        _refuse_store(origin, source)
        origin.execute("begin")
        tables = _count_rows(origin)
        created_at = time.time_ns() // 1_000_000
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as copy:
            copy.pragma("journal_mode", "off")  # the file is new: there is nothing to roll back to
            copy.pragma("synchronous", "off")  # it is flushed before it gets its name
            with copy.backup("main", origin, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES_PER_STEP)
                    if is_over():
                        raise apsw.InterruptError("the copy took too long, or was cancelled")
    os.pwrite(descriptor, _ROLLBACK_JOURNAL, _JOURNAL_OFFSET)
    _verify(path, tables, until, is_over)
    return Snapshot(created_at, tables)


def _refuse_store(origin: apsw.Connection, source: Path) -> None:
    if origin.pragma("application_id") == APPLICATION_ID:
        raise ConfigError(
            f"the database is a store of Mainspring, which has a backup of its own\nin {printable_path(str(source))}",
            hint="mainspring db backup FILE",
        )


def _verify(path: Path, tables: dict[str, int], until: float, is_over: _Stop) -> None:
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as copy:
        _limit(copy, until, is_over)
        problems = [str(row[0]) for row in copy.execute("pragma integrity_check(3)")]
        if problems != ["ok"]:
            raise BackupError(
                f"the database is damaged, so no backup was made: {problems[0][:200]}",
                hint="Restore the newest backup into another file, and compare: sqlite3 FILE .recover",
            )
        if _count_rows(copy) != tables:
            raise BackupError("the copy has other rows than the database", hint="Try again, and report this error.")


def _count_rows(connection: apsw.Connection) -> dict[str, int]:
    names = sorted(str(row[0]) for row in connection.execute(_TABLES))
    return {name: _count(connection, name) for name in names}


def _count(connection: apsw.Connection, name: str) -> int:
    quoted = name.replace('"', '""')
    for row in connection.execute(f'select count(*) from "{quoted}"'):  # noqa: S608 - a name of the database itself
        return int(row[0])
    return 0


def _limit(connection: apsw.Connection, until: float, is_over: _Stop) -> None:
    connection.set_busy_timeout(max(1, int(min(until - monotonic(), 60) * 1_000)))
    connection.set_progress_handler(is_over, _CHECK_EVERY, id="backup")


@contextmanager
def _describe_sqlite_errors(source: str, path: str) -> Iterator[None]:
    """Raise errors of SQLite as errors of a backup."""
    try:
        yield
    except BackupError as error:
        raise BackupError(f"{error.message}\nin {source}", hint=error.hint) from None
    except apsw.FullError:
        error_text = f"cannot write the backup {path}: the disk is full"
        full = FileUnavailableError(error_text)
        full.hint = "Free space on this disk, for example with backup.prune(). Nothing was changed."
        raise full from None
    except (apsw.BusyError, apsw.LockedError, apsw.InterruptError) as error:
        reason = "it took too long, or was cancelled" if isinstance(error, apsw.InterruptError) else "it is locked"
        raise BackupUnavailableError(
            f"cannot back up the database: {reason}\nin {source}",
            hint="Try again, or raise timeout=. See which program has it: fuser -v FILE",
        ) from None
    except apsw.Error as error:
        raise BackupError(
            f"cannot back up the database: {str(error)[:200] or type(error).__name__}\nin {source}",
            hint="Check it: sqlite3 FILE 'pragma integrity_check'",
        ) from None

"""Copies of a store that are known to be good: written beside their final name, checked, then renamed into place.

A backup is one plain SQLite file without a log beside it. It is made from one snapshot, while others go on writing.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from mainspring.domain.errors import NotFoundError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.store.base import StoreBrokenError
from mainspring.store.side_files import make_side_folder, open_side_file
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.damage import write_damage_note
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.migrate import APPLICATION_ID, require_known


class Backup(msgspec.Struct, frozen=True):
    """A checked copy: where it is, its size in bytes, rows by table, and the older copies that were removed for it."""

    path: Path
    size: int
    rows: dict[str, int]
    removed: tuple[Path, ...] = ()


class DamagedCopyError(StoreBrokenError):
    """A copy of a store is damaged."""


def back_up(store: Path, folder: Path, *, now: int, keep: int | None = None) -> Backup:
    """Write a checked copy of the store into `folder`; of all copies there keep the newest `keep` (None = all).

    Raises:
        StoreError: the store cannot be read, the folder not written, or the copy is not good. Nothing is left behind then.
    """
    try:
        return write_backup(store.stem, folder, lambda part: copy_store(store, part), now=now, keep=keep)
    except DamagedCopyError as error:  # pages are copied as they are
        write_damage_note(store, error.message.rpartition(": ")[2])
        raise


def write_backup(
    stem: str, folder: Path, fill: Callable[[Path], dict[str, int]], *, now: int, keep: int | None
) -> Backup:
    """Let `fill` write a copy into a new file and return its rows by table; check it, and give it its name beside the older ones."""
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    final = folder / f"{stem}-{stamp}{now % 1000:03}Z.db"
    part = folder / f".{final.name}.part"
    try:
        make_side_folder(folder)
        with _removed_on_fault(part):
            rows = fill(part)
            if (found := verify(part)) != rows:
                raise StoreBrokenError(
                    f"the backup does not hold what the store holds\nat {part}: {_differences(rows, found)}"
                )
            sync(part)
            part.replace(final)
        sync(folder)
        return Backup(final, final.stat().st_size, rows, _rotate(folder, stem, keep))
    except OSError as error:
        raise StoreUnavailableError(f"the backup cannot be written\nat {folder}: {error}") from error


def copy_store(source: Path, target: Path, *, store: Path | None = None) -> dict[str, int]:
    """Copy one snapshot of a store into a new file and return the rows by table of that snapshot.

    `store` = the file whose owner the copy gets where root makes it; else that of the folder.
    """
    os.close(open_side_file(target, os.O_RDWR | os.O_TRUNC, store=store))
    reading = connect(source, read_only=True)
    writing = apsw.Connection(str(target))
    try:
        reading.execute("begin")
        rows = count_rows(reading)
        with writing.backup("main", reading, "main") as copy:
            copy.step()
        reading.execute("rollback")
        writing.pragma("journal_mode", "delete")
    except apsw.FullError as fault:
        raise StoreFullError(
            f"the disk of the copy is full\nat {target}: {fault}", hint="Free space on it, or name another folder."
        ) from fault
    except apsw.Error as fault:
        raise translate(fault, target) or fault from fault
    finally:
        writing.close(True)
        reading.close(True)
    return rows


def verify(path: Path) -> dict[str, int]:
    """Read a whole copy and return its rows by table.

    Raises:
        NotFoundError: it is missing.
        StoreError: it is damaged, no store of ours, or of a newer version.
    """
    if not path.is_file():
        raise NotFoundError(
            f"there is no such backup\nat {path}", hint="`mainspring db backup` prints where it wrote one."
        )
    try:
        connection = apsw.Connection(
            f"{path.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        try:
            if connection.pragma("application_id") != APPLICATION_ID:
                raise StoreError(f"the file is not a backup of a store\nat {path}")
            require_known(connection)
            if (faults := damages(connection)) != []:
                raise DamagedCopyError(f"the backup is damaged\nat {path}: {faults[0]}", hint="Use another backup.")
            return count_rows(connection)
        finally:
            connection.close(True)
    except apsw.Error as fault:
        raise DamagedCopyError(f"the backup is damaged\nat {path}: {fault}", hint="Use another backup.") from fault


def damages(connection: apsw.Connection, limit: int = 20) -> list[str]:
    """Return what SQLite's own check of the whole file finds."""
    rows = connection.execute(f"pragma integrity_check({limit})").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def count_rows(connection: apsw.Connection) -> dict[str, int]:
    """Count the rows of each table."""
    tables = [
        str(row[0])
        for row in connection.execute(
            "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name"
        ).fetchall()
    ]
    return {table: int(connection.execute(f'select count(*) from "{table}"').get) for table in tables}  # noqa: S608 - our names


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def backups_in(folder: Path, stem: str) -> list[Path]:
    """Return the backups of a store in a folder, newest first."""
    return sorted(folder.glob(f"{stem}-????????T?????????Z.db"), reverse=True)


def newest_in(folder: Path, stem: str) -> Path:
    """Return the newest backup of a store in a folder.

    Raises:
        NotFoundError: it holds none; tells of which other stores it holds some.
    """
    found = backups_in(folder, stem)
    if found:
        return found[0]
    others = sorted({path.name[: -len("-20260105T030000000Z.db")] for path in backups_in(folder, "*")})
    hint = f"It has backups of other stores ({', '.join(others[:5])}): name the file." if others else "Name the file."
    raise NotFoundError(f"there is no backup of store {stem!r} in this folder\nat {folder}", hint=hint)


def _rotate(folder: Path, stem: str, keep: int | None) -> tuple[Path, ...]:
    if keep is None:
        return ()
    old = tuple(backups_in(folder, stem)[max(keep, 1) :])
    for path in old:
        path.unlink(missing_ok=True)
    return old


@contextmanager
def _removed_on_fault(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for left in (path, path.with_name(f"{path.name}-journal"), path.with_name(f"{path.name}-wal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        raise


def _differences(wanted: dict[str, int], found: dict[str, int]) -> str:
    return ", ".join(
        f"{name}: {wanted.get(name)} rows, copy {found.get(name)}" for name in wanted if wanted[name] != found.get(name)
    )

"""Backups of a store: copies are written under a temporary name, checked, then renamed.

A backup is one plain SQLite file without a log beside it. It is made from one snapshot, while other processes continue
to write.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from mainspring.domain.errors import NotFoundError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.domain.values.blob import Blob
from mainspring.store.base import StoreBrokenError
from mainspring.store.blob_folder import blob_folder
from mainspring.store.side_files import make_side_folder, open_side_file
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.damage import write_damage_note
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.migrate import APPLICATION_ID, require_known
from mainspring.store.sqlite.texts import TEXTS


class Backup(msgspec.Struct, frozen=True):
    """A checked backup: path, size in bytes, rows by table, and the older backups that were removed."""

    path: Path
    size: int
    rows: dict[str, int]
    removed: tuple[Path, ...] = ()


class DamagedCopyError(StoreBrokenError):
    """A copy of a store is damaged."""


CarryBlobs = Callable[[Path, Path], object]
"""Copies the blobs that a copy (its first path) refers to, for the backup that will get the second path."""


def carry_none(copy: Path, backup: Path) -> None:
    """Carry no blobs."""


def back_up(
    store: Path, folder: Path, *, now: int, keep: int | None = None, carry_blobs: CarryBlobs = carry_none
) -> Backup:
    """Write a checked backup of the store into `folder`; keep the newest `keep` backups there (None = all).

    Raises:
        StoreError: the store cannot be read, the folder not written, or the copy is invalid. No file is left then.
    """
    try:
        return write_backup(
            store.stem, folder, lambda part: copy_store(store, part), now=now, keep=keep, carry_blobs=carry_blobs
        )
    except DamagedCopyError as error:  # pages are copied unchanged
        write_damage_note(store, error.message.rpartition(": ")[2])
        raise


def write_backup(
    stem: str,
    folder: Path,
    fill: Callable[[Path], dict[str, int]],
    *,
    now: int,
    keep: int | None,
    carry_blobs: CarryBlobs = carry_none,
) -> Backup:
    """Let `fill` write a copy into a new file and return its rows by table; check the copy, carry its blobs, rename it,
    and remove the oldest backups.
    """
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    final = folder / f"{stem}-{stamp}{now % 1000:03}Z.db"
    part = folder / f".{final.name}.part"
    try:
        make_side_folder(folder)
        with _remove_on_failure(part, blob_folder(final)):
            rows = fill(part)
            if (found := verify(part)) != rows:
                raise StoreBrokenError(
                    f"the backup does not hold what the store holds\nat {part}: {_differences(rows, found)}"
                )
            sync(part)
            carry_blobs(part, final)
            part.replace(final)
        sync(folder)
        return Backup(final, final.stat().st_size, rows, _rotate(folder, stem, keep))
    except OSError as error:
        raise StoreUnavailableError(f"the backup cannot be written\nat {folder}: {error}") from error


def copy_store(source: Path, target: Path, *, store: Path | None = None) -> dict[str, int]:
    """Copy one snapshot of a store into a new file and return the rows by table of that snapshot.

    `store` = the file whose owner gets a copy that root creates; else the owner of the folder.
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
    """Read a whole backup and return its rows by table.

    Raises:
        NotFoundError: it is missing.
        StoreError: it is damaged, no store, or of a newer version.
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


def list_referenced_blobs(path: Path) -> list[Blob]:
    """Return the blobs that a backup refers to; none of a backup from before there were any. Raises StoreError: it cannot be read."""
    uri = f"{path.absolute().as_uri()}?immutable=1"
    try:
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            if not connection.execute(TEXTS["has_blobs"]).fetchall():
                return []
            return [Blob.of_key(str(key)) for (key,) in connection.execute(TEXTS["list_referenced_blobs"])]
        finally:
            connection.close(True)
    except apsw.Error as fault:
        raise translate(fault, path) or fault from fault


def damages(connection: apsw.Connection, limit: int = 20) -> list[str]:
    """Return the findings of SQLite's own check of the whole file."""
    rows = connection.execute(f"pragma integrity_check({limit})").fetchall()
    return [str(damage) for (damage,) in rows if damage != "ok"]


def count_rows(connection: apsw.Connection) -> dict[str, int]:
    """Count the rows of each table."""
    tables = [
        str(table)
        for (table,) in connection.execute(
            "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name"
        ).fetchall()
    ]
    return {table: int(connection.execute(f'select count(*) from "{table}"').get) for table in tables}  # noqa: S608 - our names


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
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
        NotFoundError: there is none; names other stores that have backups there.
    """
    found = backups_in(folder, stem)
    if found:
        return found[0]
    other_stores = sorted({path.name[: -len("-20260105T030000000Z.db")] for path in backups_in(folder, "*")})
    hint = (
        f"It has backups of other stores ({', '.join(other_stores[:5])}): name the file."
        if other_stores
        else "Name the file."
    )
    raise NotFoundError(f"there is no backup of store {stem!r} in this folder\nat {folder}", hint=hint)


def _rotate(folder: Path, stem: str, keep: int | None) -> tuple[Path, ...]:
    if keep is None:
        return ()
    old = tuple(backups_in(folder, stem)[max(keep, 1) :])
    for path in old:
        path.unlink(missing_ok=True)
        shutil.rmtree(blob_folder(path), ignore_errors=True)
    return old


@contextmanager
def _remove_on_failure(path: Path, blobs: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for leftover in (path, path.with_name(f"{path.name}-journal"), path.with_name(f"{path.name}-wal")):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
        shutil.rmtree(blobs, ignore_errors=True)
        raise


def _differences(expected: dict[str, int], found: dict[str, int]) -> str:
    return ", ".join(
        f"{name}: {expected.get(name)} rows, copy {found.get(name)}"
        for name in expected
        if expected[name] != found.get(name)
    )

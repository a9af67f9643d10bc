"""Records of backups: `NAME.backup.json` next to each backup, and the place where both appear.

Invariants: a backup has its final name only after it was verified, and never without its record. The record is written first, so a record
without a backup is what a killed call left behind, and the next call for this name replaces it.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mainspring.actions.backup.backup_errors import BackupError
from mainspring.actions.files.content import describe_file, publish, sync_entry, write_all
from mainspring.actions.files.place import Place, Target
from mainspring.actions.files.temporary import open_temporary_file, temporary_name
from mainspring.domain.values.file import File
from mainspring.triggers.files.folder import printable_path

RECORD_SUFFIX = ".backup.json"
_MODE = 0o600
"""Rights of a backup: it holds all that the database protects."""
_MAX_RECORD_BYTES = 4 * 1024 * 1024


class DatabaseBackup(msgspec.Struct, frozen=True):
    """A verified backup: its file, the rows of each table, and the instant of the snapshot.

    `is_new` = this call made it; otherwise an earlier call has.
    """

    file: File
    tables: dict[str, int]
    created: datetime
    is_new: bool


class BackupRecord(msgspec.Struct, frozen=True):
    """The record of a backup. `source` = the database, without a password; `created_at` in milliseconds UTC."""

    kind: str
    source: str
    created_at: int
    size: int
    sha256: str
    tables: dict[str, int]
    version: int = 1


class Snapshot(msgspec.Struct, frozen=True):
    """A database that was written to a temporary file and verified: its instant, and the rows of each table."""

    created_at: int
    tables: dict[str, int]


def make_backup(
    target: Target, kind: str, source: str, write: Callable[[Path, int], Snapshot], *, make_folders: bool
) -> DatabaseBackup:
    """Return the backup of this name, made by `write(path, descriptor)` if there is none.

    Raises:
        BackupError: another file has the name, or the backup of this name is damaged.
        FileActionError, FileUnavailableError, PathOutsideRootError: it cannot be written there.
    """
    with (
        target.open("write the backup", make_folders=make_folders) as place,
        open_temporary_file(place) as descriptor,
    ):
        record_place = place._replace(name=place.name + RECORD_SUFFIX, text=place.text + RECORD_SUFFIX)
        record = read_record(record_place)
        if place.status() is not None:
            _require_intact(place, record, source)
            assert record is not None
            sync_entry(place)
            return _describe(place, target, record, is_new=False)
        snapshot = write(_path_of(place), descriptor)
        record = BackupRecord(
            kind, source, snapshot.created_at, os.fstat(descriptor).st_size, _hash(descriptor), snapshot.tables
        )
        _publish(place, descriptor, record_place, record)
        return _describe(place, target, record, is_new=True)


def read_record(place: Place) -> BackupRecord | None:
    """Return a record; None if there is none, or it cannot be read. Raises OSError."""
    if place.status() is None:
        return None
    with os.fdopen(place.open_file(), "rb") as file:
        content = file.read(_MAX_RECORD_BYTES)
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(content, type=BackupRecord)
    return None


def is_intact(place: Place, record: BackupRecord) -> bool:
    """Return whether the content of a backup is that of its record. Raises OSError."""
    descriptor = place.open_file()
    try:
        return os.fstat(descriptor).st_size == record.size and _hash(descriptor) == record.sha256
    finally:
        os.close(descriptor)


def _require_intact(place: Place, record: BackupRecord | None, source: str) -> None:
    path = printable_path(place.text)
    if record is None:
        raise BackupError(
            f"{path} exists, and no record says that it is a backup\nin {path}{RECORD_SUFFIX}",
            hint="Choose another name, such as one with the date in it.",
        )
    if record.source != source:
        raise BackupError(
            f"{path} is a backup of {record.source}, and not of {source}", hint="Choose another name for each database."
        )
    if not is_intact(place, record):
        raise BackupError(
            f"the backup {path} is damaged: its content is not that of its record",
            hint=f"Move it away, and see the disk: {path} may not be the only damaged file.",
        )


def _publish(place: Place, descriptor: int, record_place: Place, record: BackupRecord) -> None:
    """Give record and backup their names. Raises OSError."""
    with open_temporary_file(record_place) as part:
        write_all(part, [msgspec.json.format(msgspec.json.encode(record))])
        publish(record_place, part, mode=_MODE, replace=True)
    try:
        publish(place, descriptor, mode=_MODE, replace=False)
    except BaseException:
        if place.status() is None:
            os.unlink(record_place.name, dir_fd=place.folder)
        raise


def _describe(place: Place, target: Target, record: BackupRecord, *, is_new: bool) -> DatabaseBackup:
    file = describe_file(place, target, record.sha256)
    return DatabaseBackup(file, record.tables, datetime.fromtimestamp(record.created_at / 1000, UTC), is_new)


def _path_of(place: Place) -> Path:
    """Return a path of the temporary file, in ASCII, through the descriptor of its folder."""
    return Path(f"/proc/self/fd/{place.folder}") / temporary_name(place.name)


def _hash(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

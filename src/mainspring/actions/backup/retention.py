"""Retention of backups: the newest of each day, week and month stays, and always one that is intact."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from mainspring.actions.backup.backup_errors import BackupError
from mainspring.actions.backup.backup_record import RECORD_SUFFIX, BackupRecord, is_intact, read_record
from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.files.file_errors import describe_errors
from mainspring.actions.files.place import FilePath, Place, RootPath, folder_target
from mainspring.actions.files.temporary import remove_leftovers
from mainspring.domain.errors import OptionError
from mainspring.domain.time.cron import find_zone, to_local
from mainspring.triggers.files.folder import open_folder, printable_path

_PERIODS: dict[str, Callable[[datetime], object]] = {
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


class BackupPruning(msgspec.Struct, frozen=True):
    """The result of `prune`: printable names of the removed backups (of a dry run: to remove) and of those that stay.

    `size` = bytes of the removed ones.
    """

    removed: list[str]
    remaining: list[str]
    size: int


class _StoredBackup(NamedTuple):
    name: str
    record: BackupRecord


def prune(
    folder: FilePath,
    *,
    daily: int = 7,
    weekly: int = 4,
    monthly: int = 12,
    tz: str = "UTC",
    dry_run: bool = False,
    root: RootPath = None,
) -> BackupPruning:
    """Remove old backups of a folder: for each database stay the newest of the last `daily` days, `weekly` weeks and `monthly` months.

    Only days, weeks and months that have a backup count, so that old backups stay if no new ones are made. `tz` = the time zone of days.
    The newest backup whose content is still that of its record stays as well, even if the numbers do not keep it. Files without a record
    are left alone. `dry_run=True` = only list. `root` = the folder that `folder` may not leave.

    Safe to run twice because a second call finds only the backups that stay.

    Example:
        backup.prune("backups", daily=7, weekly=4, monthly=12)

    Raises:
        BackupError: no backup of a database is intact; then none of them is removed.
        FileActionError, PathOutsideRootError: the folder cannot be read, or a backup cannot be removed.
        OptionError: a number is negative, or all are 0.
        UnknownNameError: there is no such time zone.
    """
    refuse_event_loop("backup.prune")
    limits = {"daily": daily, "weekly": weekly, "monthly": monthly}
    if min(limits.values()) < 0 or not any(limits.values()):
        raise OptionError(f"{limits}: the numbers must be at least 0, and one at least 1", hint="Write daily=7.")
    zone = find_zone(tz)
    target = folder_target(folder, root)
    with (
        describe_errors("prune", target.text, target.root),
        open_folder(target.base, target.parts) as descriptor,
    ):
        directory = Place(descriptor, "", target.text, target.root)
        found = _list_backups(directory)
        old = [
            backup
            for source in sorted({backup.record.source for backup in found})
            for backup in _choose_old(
                directory, [backup for backup in found if backup.record.source == source], limits, zone
            )
        ]
        if not dry_run:
            for backup in old:
                for name in (backup.name, backup.name + RECORD_SUFFIX):  # a record without a backup does no harm
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=descriptor)
            remove_leftovers(descriptor)
            os.fsync(descriptor)
    remaining = [printable_path(backup.name) for backup in found if backup not in old]
    return BackupPruning([printable_path(backup.name) for backup in old], remaining, sum(b.record.size for b in old))


prune_async = in_thread(prune)


def choose_retained(created: Iterable[datetime], *, daily: int, weekly: int, monthly: int) -> set[datetime]:
    """Return the instants to keep: the newest of each of the last days, weeks and months that have one.

    Days begin by the time zone of the instants.
    """
    newest_first = sorted(created, reverse=True)
    retained: set[datetime] = set()
    for name, count in (("daily", daily), ("weekly", weekly), ("monthly", monthly)):
        newest_by_period: dict[object, datetime] = {}
        for at in newest_first:
            newest_by_period.setdefault(_PERIODS[name](at), at)
        retained |= set(list(newest_by_period.values())[:count])
    return retained


def _choose_old(
    directory: Place, backups: list[_StoredBackup], limits: dict[str, int], zone: ZoneInfo
) -> list[_StoredBackup]:
    """Return the backups of one database that are removed, oldest first. Raises BackupError if none of all is intact."""
    retained = choose_retained((_instant(backup, zone) for backup in backups), **limits)
    remaining = [backup for backup in backups if _instant(backup, zone) in retained]
    old = [backup for backup in backups if backup not in remaining]
    if not old:
        return []
    newest_first = remaining[::-1] + old[::-1]
    intact = next((item for item in newest_first if is_intact(_place(directory, item.name), item.record)), None)
    if intact is None:
        raise BackupError(
            f"none of the {len(backups)} backups of {backups[0].record.source} is intact, so none is removed"
            f"\nin {printable_path(directory.text)}",
            hint="Make a new backup now, and check the disk.",
        )
    return [backup for backup in old if backup is not intact]


def _instant(backup: _StoredBackup, zone: ZoneInfo) -> datetime:
    return to_local(backup.record.created_at, zone)


def _list_backups(directory: Place) -> list[_StoredBackup]:
    """Return the backups with a record, oldest first."""
    with os.scandir(directory.folder) as entries:
        names = sorted(entry.name for entry in entries)
    found = []
    for name in names:
        backup_name = name.removesuffix(RECORD_SUFFIX)
        if not backup_name or backup_name == name or not _is_file(directory, name):
            continue
        record = read_record(_place(directory, name))
        if record is not None and _is_file(directory, backup_name):
            found.append(_StoredBackup(backup_name, record))
    return sorted(found, key=lambda backup: (backup.record.created_at, backup.name))


def _is_file(directory: Place, name: str) -> bool:
    status = _place(directory, name).status()
    return status is not None and stat.S_ISREG(status.st_mode)


def _place(directory: Place, name: str) -> Place:
    return directory._replace(name=name, text=f"{directory.text}/{name}")

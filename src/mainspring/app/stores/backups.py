"""Backups and checks of the project's store, of either kind. A backup is always a store file."""

from pathlib import Path

from mainspring.app.stores.store_factory import parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.clock import Clock
from mainspring.store.maintenance.integrity import IntegrityFinding
from mainspring.store.sqlite import backup
from mainspring.store.sqlite.backup import Backup
from mainspring.store.sqlite.check import check as check_file
from mainspring.store.sqlite.restore import RestoreResult
from mainspring.store.sqlite.restore import restore as restore_file


def backup_stem(url: str) -> str:
    """Return the prefix of the names of a store's backups."""
    return parse_address(url).schema if is_server_url(url) else store_path(url).stem


def back_up(url: str, folder: Path, *, clock: Clock, keep: int | None) -> Backup:
    """Write a checked copy of the store into `folder`. Raises StoreError."""
    if not is_server_url(url):
        return backup.back_up(store_path(url), folder, now=clock.now(), keep=keep)
    address = parse_address(url)
    from mainspring.store.postgres.backup import back_up as back_up_schema

    return back_up_schema(address, folder, clock=clock, keep=keep)


def restore_backup(backup: Path, url: str, *, clock: Clock) -> RestoreResult:
    """Put a backup in the store's place, on hold. Raises StoreHeldError, StoreError."""
    if not is_server_url(url):
        return restore_file(backup, store_path(url), clock=clock)
    address = parse_address(url)
    from mainspring.store.postgres.backup import restore as restore_schema

    return restore_schema(backup, address, clock=clock)


def check_store(url: str) -> list[IntegrityFinding]:
    """Read the whole store and return its damage. Raises StoreError."""
    if not is_server_url(url):
        return check_file(store_path(url))
    address = parse_address(url)
    from mainspring.store.postgres.check import check as check_schema

    return check_schema(address)

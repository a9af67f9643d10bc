"""Backups and checks of the project's store, of either kind. A backup is always a store file."""

from pathlib import Path

from mainspring.app.stores.blob_place import copy_blobs, make_blob_contents
from mainspring.app.stores.store_factory import make_reader, parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.clock import Clock
from mainspring.domain.errors import StoreError
from mainspring.domain.values.blob import Blob, BlobContents
from mainspring.store.blob_folder import BlobFolder, blob_folder
from mainspring.store.maintenance.integrity import IntegrityFinding
from mainspring.store.schema.row import first_values
from mainspring.store.sqlite import backup
from mainspring.store.sqlite.backup import Backup, list_referenced_blobs
from mainspring.store.sqlite.check import check as check_file
from mainspring.store.sqlite.restore import RestoreResult
from mainspring.store.sqlite.restore import restore as restore_file

_MAX_LISTED_BLOBS = 5


def backup_stem(url: str) -> str:
    """Return the prefix of the names of a store's backups."""
    return parse_address(url).schema if is_server_url(url) else store_path(url).stem


def back_up(url: str, folder: Path, *, clock: Clock, keep: int | None, blobs: Path | None = None) -> Backup:
    """Write a checked copy of the store into `folder`, with its blobs beside it; `blobs` = their configured folder. Raises StoreError."""

    def carry_blobs(copy: Path, final: Path) -> None:
        contents = make_blob_contents(url, blobs)
        try:
            copy_blobs(backup.list_referenced_blobs(copy), contents, BlobFolder(blob_folder(final)))
        finally:
            contents.close()

    if not is_server_url(url):
        return backup.back_up(store_path(url), folder, now=clock.now(), keep=keep, carry_blobs=carry_blobs)
    address = parse_address(url)
    from mainspring.store.postgres.backup import back_up as back_up_schema

    return back_up_schema(address, folder, clock=clock, keep=keep, carry_blobs=carry_blobs)


def restore_backup(backup: Path, url: str, *, clock: Clock, blobs: Path | None = None) -> RestoreResult:
    """Put a backup and its blobs in the store's place, on hold; `blobs` = their configured folder. Raises StoreHeldError, StoreError."""

    def carry_blobs(contents: BlobContents) -> None:
        named = list_referenced_blobs(backup)
        saved = BlobFolder(blob_folder(backup))
        present = {day: contents.sizes(day).keys() for day in {blob.day for blob in named}}
        try:
            copy_blobs((blob for blob in named if blob.address not in present[blob.day]), saved, contents)
            contents.disown()  # the restored store has another id
        finally:
            contents.close()

    if not is_server_url(url):
        carry_blobs(make_blob_contents(url, blobs))  # before the store names them
        return restore_file(backup, store_path(url), clock=clock)
    address = parse_address(url)
    from mainspring.store.postgres.backup import restore as restore_schema
    from mainspring.store.postgres.blob_table import BlobTable

    return restore_schema(
        backup,
        address,
        clock=clock,
        carry_blobs=lambda new: carry_blobs(BlobTable(new) if blobs is None else BlobFolder(blobs)),
    )


def check_store(url: str, blobs: Path | None = None) -> list[IntegrityFinding]:
    """Read the whole store and return its damage; `blobs` = the configured folder of its blobs. Raises StoreError."""
    if not is_server_url(url):
        findings = check_file(store_path(url))
    else:
        address = parse_address(url)
        from mainspring.store.postgres.check import check as check_schema

        findings = check_schema(address)
    try:
        return findings + _check_blobs(url, blobs)
    except StoreError:
        if not findings:
            raise
        return findings  # they tell why the references cannot be read


def _check_blobs(url: str, folder: Path | None) -> list[IntegrityFinding]:
    """Return the blobs that a column refers to and that are absent, or have another size."""
    contents = make_blob_contents(url, folder)
    try:
        sizes: dict[int, dict[str, int]] = {}
        absent = []
        for blob in map(Blob.of_key, first_values(make_reader(url).read("list_referenced_blobs"), str)):
            if blob.day not in sizes:
                sizes[blob.day] = contents.sizes(blob.day)
            if sizes[blob.day].get(blob.address) != blob.size:
                absent.append(blob.address)
    finally:
        contents.close()
    if not absent:
        return []
    listed = ", ".join(absent[:_MAX_LISTED_BLOBS])
    return [IntegrityFinding(f"{len(absent):,} blobs of large values are absent or cut in {contents.place}: {listed}")]

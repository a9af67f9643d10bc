"""Backups and checks of the project's store, of either kind. A backup is always a store file."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.app.stores.blob_place import (
    choose_next_place,
    copy_blobs,
    find_blob_contents,
    make_recorded_contents,
    read_blob_place,
)
from mainspring.app.stores.store_factory import make_reader, parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError, StoreError
from mainspring.domain.values.blob import Blob, BlobContents, BlobPlace
from mainspring.store.blob_folder import BlobFolder, blob_folder
from mainspring.store.maintenance.integrity import IntegrityFinding
from mainspring.store.schema.row import first_values
from mainspring.store.sqlite import backup
from mainspring.store.sqlite.backup import Backup
from mainspring.store.sqlite.check import check as check_file
from mainspring.store.sqlite.restore import RestoreResult
from mainspring.store.sqlite.restore import restore as restore_file

if TYPE_CHECKING:
    from mainspring.store.postgres.address import Address

_LOG = logging.getLogger("mainspring.store")
_MAX_LISTED_BLOBS = 5


def backup_stem(url: str) -> str:
    """Return the prefix of the names of a store's backups."""
    return parse_address(url).schema if is_server_url(url) else store_path(url).stem


def back_up(url: str, folder: Path, *, clock: Clock, keep: int | None) -> Backup:
    """Write a checked copy of the store into `folder`, with its blobs beside it.

    Raises:
        StoreError: the copy could not be written, or blobs of the store are absent; then the copy is there without them.
    """
    absent: list[Blob] = []

    def carry_blobs(copy: Path, final: Path) -> None:
        contents = find_blob_contents(url)
        try:
            absent.extend(copy_blobs(backup.list_referenced_blobs(copy), contents, BlobFolder(blob_folder(final))))
        finally:
            contents.close()

    if not is_server_url(url):
        done = backup.back_up(store_path(url), folder, now=clock.now(), keep=keep, carry_blobs=carry_blobs)
    else:
        address = parse_address(url)
        from mainspring.store.postgres.backup import back_up as back_up_schema

        done = back_up_schema(address, folder, clock=clock, keep=keep, carry_blobs=carry_blobs)
    if absent:
        raise StoreError(
            f"{len(absent):,} blobs of large values are absent, the first is {absent[0].address}\nat {done.path}: all else was copied",
            hint="Put them back from an older backup. To list them: mainspring db check",
        )
    return done


def restore_backup(backup: Path, url: str, *, clock: Clock) -> RestoreResult:
    """Put a backup and its blobs in the store's place, on hold. If its blobs were in a bucket, they get a new folder there.

    Raises:
        StoreHeldError, StoreError.
    """
    former = None
    with suppress(StoreError):  # a damaged store is replaced too
        former = read_blob_place(url)
    place = choose_next_place(former)
    old, new = make_recorded_contents(url, former), make_recorded_contents(url, place)
    saved = BlobFolder(blob_folder(backup))

    def carry_blobs(named: Sequence[Blob]) -> None:
        carry_missing_blobs(named, [saved, old], new)  # before the store names them

    try:
        if is_server_url(url):
            return _restore_schema(backup, parse_address(url), place, clock, carry_blobs)
        result = restore_file(backup, store_path(url), clock=clock, place=place, carry_blobs=carry_blobs)
    finally:
        old.close()
        new.close()
    if isinstance(result.previous_store, Path) and isinstance(old, BlobFolder):
        _keep_blobs(old, BlobFolder(blob_folder(result.previous_store)))
    return result


def _restore_schema(
    backup: Path,
    address: "Address",
    place: BlobPlace | None,
    clock: Clock,
    carry_blobs: Callable[[Sequence[Blob]], None],
) -> RestoreResult:
    from mainspring.store.postgres.backup import restore as restore_schema
    from mainspring.store.postgres.blob_table import BlobTable

    def carry(new_address: "Address", named: Sequence[Blob]) -> None:
        if place is not None:
            carry_blobs(named)
            return
        saved, old, new = BlobFolder(blob_folder(backup)), BlobTable(address), BlobTable(new_address)
        try:
            carry_missing_blobs(named, [saved, old], new)  # effects after the backup have their blobs in the old schema
        finally:
            old.close()
            new.close()

    return restore_schema(backup, address, clock=clock, place=place, carry_blobs=carry)


def carry_missing_blobs(named: Sequence[Blob], sources: Sequence[BlobContents], target: BlobContents) -> None:
    """Copy blobs that the target lacks, from the first source that has them. Those that are nowhere are logged."""
    sizes = {day: target.sizes(day) for day in {blob.day for blob in named}}
    missing = [blob for blob in named if sizes[blob.day].get(blob.address) != blob.size]
    for source in sources:
        if missing and _is_readable(source, missing[0]):
            missing = copy_blobs(missing, source, target)
    if missing:
        _LOG.warning("%d blobs of large values are nowhere. List them: mainspring db check", len(missing))


def _is_readable(source: BlobContents, blob: Blob) -> bool:
    """Return whether a place answers: there may be no old schema, or its bucket may be away."""
    try:
        source.get(blob)
    except CodecUnavailableError:
        return False
    return True


def _keep_blobs(contents: BlobFolder, previous: BlobFolder) -> None:
    """Give the store that was replaced its own names of the blobs: the restored one deletes those that it does not know."""
    for day in contents.days():
        copy_blobs([Blob(day, address, size) for address, size in contents.sizes(day).items()], contents, previous)


def check_store(url: str) -> list[IntegrityFinding]:
    """Read the whole store and return its damage. Raises StoreError."""
    if not is_server_url(url):
        findings = check_file(store_path(url))
    else:
        address = parse_address(url)
        from mainspring.store.postgres.check import check as check_schema

        findings = check_schema(address)
    try:
        return findings + _check_blobs(url)
    except (StoreError, CodecUnavailableError) as error:
        if not findings:
            raise
        if isinstance(error, StoreError):
            return findings  # they tell why the references cannot be read
        return [*findings, IntegrityFinding(error.message)]


def _check_blobs(url: str) -> list[IntegrityFinding]:
    """Return the blobs that a column refers to and that are absent, or have another size."""
    contents = find_blob_contents(url)
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

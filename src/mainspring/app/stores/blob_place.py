"""The place of blobs: beside a store that is a file, in a table of a server, or in a folder that all machines share."""

from collections.abc import Iterable
from pathlib import Path

from mainspring.app.stores.store_factory import parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.errors import StoreError
from mainspring.domain.values.blob import Blob, BlobContents
from mainspring.store.blob_folder import BlobFolder, blob_folder


def make_blob_contents(place: str | Path, folder: Path | None = None) -> BlobContents:
    """Return the place of the blobs of the store at a path or URL; `folder` = the configured one. Nothing is created or opened.

    Raises:
        ConfigError: the address cannot be read, or the driver of the server is not installed.
    """
    if folder is not None:
        return BlobFolder(folder)
    if isinstance(place, Path) or not is_server_url(place):
        return BlobFolder(blob_folder(place if isinstance(place, Path) else store_path(place)))
    address = parse_address(place)
    from mainspring.store.postgres.blob_table import BlobTable  # noqa: PLC0415 - the driver of a server

    return BlobTable(address)


def copy_blobs(blobs: Iterable[Blob], source: BlobContents, target: BlobContents) -> None:
    """Copy blobs to another place, all that there are. Within one file system a file gets a second name instead.

    Raises:
        StoreError: some are absent; all others are copied.
        CodecUnavailableError: one of the places cannot be used now.
    """
    if source.place == target.place:
        return
    absent = []
    for blob in blobs:
        if isinstance(source, BlobFolder) and isinstance(target, BlobFolder) and target.link(blob, source):
            continue
        data = source.get(blob)
        if data is None:
            absent.append(blob)
        else:
            target.put(blob, data)
    if absent:
        raise StoreError(
            f"{len(absent):,} blobs of large values are absent, the first is {absent[0].address}\nin {source.place}",
            hint=f"Put them back from an older backup of {source.place}. To list them: mainspring db check",
        )

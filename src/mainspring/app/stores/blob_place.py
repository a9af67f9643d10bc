"""The place of blobs: beside a store that is a file, or in a table of a server."""

from collections.abc import Iterable
from pathlib import Path

from mainspring.app.stores.store_factory import parse_address
from mainspring.config.locations import is_server_url, store_path
from mainspring.domain.values.blob import Blob, BlobContents, address_of
from mainspring.store.blob_folder import BlobFolder, blob_folder


def make_blob_contents(place: str | Path) -> BlobContents:
    """Return the place of the blobs of the store at a path or URL. Nothing is created or opened.

    Raises:
        ConfigError: the address cannot be read, or the driver of the server is not installed.
    """
    if isinstance(place, Path) or not is_server_url(place):
        return BlobFolder(blob_folder(place if isinstance(place, Path) else store_path(place)))
    address = parse_address(place)
    from mainspring.store.postgres.blob_table import BlobTable  # noqa: PLC0415 - the driver of a server

    return BlobTable(address)


def copy_blobs(blobs: Iterable[Blob], source: BlobContents, target: BlobContents) -> list[Blob]:
    """Copy blobs to another place; return those that are absent or damaged. Within one file system a file gets a second name instead.

    Raises:
        CodecUnavailableError: one of the places cannot be used now.
    """
    absent: list[Blob] = []
    if source.place == target.place:
        return absent
    for blob in blobs:
        if isinstance(source, BlobFolder) and isinstance(target, BlobFolder) and target.link(blob, source):
            continue
        data = source.get(blob)
        if data is None or address_of(data) != blob.address:
            absent.append(blob)
        else:
            target.put(blob, data)
    return absent

"""The place of the blobs of a store: beside a store that is a file, in a table of a server, or the bucket that the store records."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.app.stores.store_factory import parse_address, store_exists
from mainspring.config.locations import is_server_url, store_path, store_url
from mainspring.domain.errors import CodecUnavailableError, StoreError
from mainspring.domain.values.blob import FILE_KEY, PLACE_KEY, Blob, BlobContents, BlobPlace, LargeValues, address_of
from mainspring.domain.values.codec import DEFAULT_THRESHOLD
from mainspring.integrations.s3.s3_address import read_prefix_address
from mainspring.store.base import StoreReader
from mainspring.store.blob_folder import BlobFolder, blob_folder
from mainspring.store.schema.row import first_value
from mainspring.store.sqlite.reader import SqliteReader

if TYPE_CHECKING:
    from mainspring.store.postgres.blob_table import BlobTable

_MAX_COPIES_AT_ONCE = 8
"""Each holds one value in memory."""


def make_blob_contents(place: str | Path) -> "StoreBlobs":
    """Return the place of the blobs of the store at a path or URL. Nothing is created or opened before its first use.

    Raises:
        ConfigError: the address cannot be read, or the driver of the server is not installed.
    """
    url = store_url(place) if isinstance(place, Path) else place
    if not is_server_url(url):
        return StoreBlobs(url, make_usual_contents(url), partial(_read_meta, url))
    table = _make_table(url)
    return StoreBlobs(url, table, table.read_meta)


def make_large_values(place: str | Path, now: Callable[[], int], threshold: int = DEFAULT_THRESHOLD) -> LargeValues:
    """Return what puts and gets the large values and files of the store at a path or URL. Raises ConfigError; see `make_blob_contents`."""
    contents = make_blob_contents(place)
    return LargeValues(contents, now, threshold, contents.read_file_key)


def find_blob_contents(url: str) -> BlobContents:
    """Return the place that a store records now. Raises StoreError: the store cannot be read."""
    return make_recorded_contents(url, read_blob_place(url))


def make_recorded_contents(url: str, place: BlobPlace | None) -> BlobContents:
    """Return the place of a store that records `place`; None = it records none."""
    if place is None or place.address is None:
        return make_usual_contents(url)
    from mainspring.store.s3_blobs import S3Blobs  # noqa: PLC0415 - needs an extra

    return S3Blobs(place.address, place.region, place.endpoint)


def make_usual_contents(url: str) -> BlobContents:
    """Return the place of a store that records none: its folder, or its table. Raises ConfigError."""
    if not is_server_url(url):
        return BlobFolder(blob_folder(store_path(url)))
    return _make_table(url)


def _make_table(url: str) -> "BlobTable":
    address = parse_address(url)
    from mainspring.store.postgres.blob_table import BlobTable  # noqa: PLC0415 - the driver of a server

    return BlobTable(address)


def choose_next_place(former: BlobPlace | None) -> BlobPlace | None:
    """Return the place for a store that replaces one, or follows it: a new folder beside the former one; None = beside the store."""
    if former is None or former.address is None:
        return None
    from mainspring.store.s3_blobs import make_s3_folder  # noqa: PLC0415 - needs an extra

    prefix, _, _ = former.address.rpartition("/")
    return msgspec.structs.replace(former, address=make_s3_folder(read_prefix_address(prefix)))


def read_blob_place(url: str) -> BlobPlace | None:
    """Return the place that a store records, None = none, or there is no store yet. Raises StoreError."""
    text = _read_meta(url, PLACE_KEY)
    return None if text is None else BlobPlace.decode(text)


def _read_meta(url: str, key: str) -> str | None:
    """Return an entry of `meta`, None = it has none, or there is no store yet. Raises StoreError."""
    if not store_exists(url):
        return None
    reader = _make_reader(url)
    try:
        return first_value(reader.read("read_meta", (key,)), str)
    finally:
        reader.close()


def _make_reader(url: str) -> StoreReader:
    """Return a reader of a store of any version: all have the table `meta`."""
    if not is_server_url(url):
        return SqliteReader(store_path(url))
    address = parse_address(url)
    from mainspring.store.postgres.reader import PostgresReader  # noqa: PLC0415 - the driver of a server

    return PostgresReader(address)


class StoreBlobs:
    """The blobs of one store, where the store says that they are: it is read at the first use, and again if a blob is absent."""

    def __init__(self, url: str, usual: BlobContents, read_meta: Callable[[str], str | None]) -> None:
        self._url = url
        self._usual = usual
        self._read_meta = read_meta
        self._lock = threading.Lock()
        self._recorded: BlobPlace | None = None
        self._contents: BlobContents | None = None
        self._file_key = b""

    def read_file_key(self) -> bytes:
        """Return the key by which the store knows its files; empty = there is no store yet. Raises CodecUnavailableError."""
        if not self._file_key:
            try:
                self._file_key = (self._read_meta(FILE_KEY) or "").encode()
            except StoreError as error:
                raise CodecUnavailableError(
                    f"the store does not say which files are its own: {error.message}", hint=error.hint
                ) from error
        return self._file_key

    @property
    def place(self) -> str:
        """The location, for people."""
        return self._find().place

    @property
    def first_day(self) -> int:
        """The first day of puts. Raises CodecUnavailableError: the store cannot be read now."""
        self._find()
        return 0 if self._recorded is None else self._recorded.first_day

    @property
    def is_remote(self) -> bool:
        """Whether a put takes so long that no event loop should wait for it. Raises CodecUnavailableError."""
        return self._find().is_remote

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob. Raises CodecUnavailableError: it cannot be stored now."""
        self._find().put(blob, data)

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none. Raises CodecUnavailableError: it cannot be read now."""
        found = self._find().get(blob)
        return self._find().get(blob) if found is None and self._has_moved() else found

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order. Raises CodecUnavailableError."""
        found = self._find().get_many(blobs)
        return self._find().get_many(blobs) if None in found and self._has_moved() else found

    def days(self) -> list[int]:
        """Return the days that have blobs, in order. Raises CodecUnavailableError."""
        return self._find().days()

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address. Raises CodecUnavailableError."""
        return self._find().sizes(day)

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the blobs of a closed day except those of `keep`; return how many. Raises CodecUnavailableError."""
        return self._find().clear(day, keep)

    def take_turn(self, turn: str, record: Callable[[str], bool]) -> None:
        """Take the turn to delete. Raises ConflictError: another copy of the store deletes here."""
        self._find().take_turn(turn, record)

    def close(self) -> None:
        """Free connections; the next use reads the place again."""
        with self._lock:
            contents, self._contents, self._file_key = self._contents, None, b""
        (contents or self._usual).close()

    def _find(self) -> BlobContents:
        with self._lock:
            if self._contents is None:
                self._recorded = self._read()
                self._contents = self._make(self._recorded)
            return self._contents

    def _has_moved(self) -> bool:
        """Return whether the store records another place than before; then it is used from now on."""
        recorded = self._read()
        with self._lock:
            if recorded == self._recorded:
                return False
            self._recorded, self._contents = recorded, self._make(recorded)
        return True

    def _make(self, recorded: BlobPlace | None) -> BlobContents:
        is_usual = recorded is None or recorded.address is None
        return self._usual if is_usual else make_recorded_contents(self._url, recorded)

    def _read(self) -> BlobPlace | None:
        try:
            text = self._read_meta(PLACE_KEY)
            return None if text is None else BlobPlace.decode(text)
        except StoreError as error:
            raise CodecUnavailableError(
                f"the store does not say where its large values are: {error.message}", hint=error.hint
            ) from error


def copy_blobs(blobs: Iterable[Blob], source: BlobContents, target: BlobContents) -> list[Blob]:
    """Copy blobs to another place; return those that are absent or damaged. Within one file system a file gets a second name instead.

    Raises:
        CodecUnavailableError: one of the places cannot be used now.
    """
    if source.place == target.place:
        return []

    def copy(blob: Blob) -> bool:
        if isinstance(source, BlobFolder) and isinstance(target, BlobFolder) and target.link(blob, source):
            return True
        data = source.get(blob)
        if data is None or address_of(data) != blob.address:
            return False
        target.put(blob, data)
        return True

    if not source.is_remote and not target.is_remote:
        return [blob for blob in blobs if not copy(blob)]
    listed = list(blobs)
    with ThreadPoolExecutor(_MAX_COPIES_AT_ONCE, thread_name_prefix="mainspring-blobs") as pool:
        return [blob for blob, is_copied in zip(listed, pool.map(copy, listed), strict=True) if not is_copied]

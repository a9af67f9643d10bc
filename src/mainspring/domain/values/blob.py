"""Blobs: the bytes of large values, stored beside the database. A column then holds a reference in their place.

Role: the form of a reference, and what a place for blobs must do. The address of a blob is the SHA-256 of its stored bytes. Its day is the
day (of UTC) on which it was put. Each day is stored apart, so that a blob which is about to be deleted is never used again: a put
of today writes today's copy. Invariants: a blob is durable before the commit that names it; a commit that names a blob of an day that the
store has closed, and which no row holds, is refused. See docs/adr/0049-large-values-by-reference.md.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, Self

import msgspec

from mainspring.domain.errors import BlobMissingError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.values.codec import DEFAULT_THRESHOLD

DAY_MS = 86_400_000
PLACE_KEY = "blobs.place"
"""The entry of `meta` with the BlobPlace of a store; without it, its blobs are beside it."""
FILE_KEY = "files.key"
"""The entry of `meta` with the key by which a store knows its own files."""
MOVING_KEY = "blobs.moving_to"
"""The entry of `meta` with the target of a move of blobs that has not ended, so that the next one continues in the same folder."""
TURNS_KEY = "blobs.turns"
"""The entry of `meta` with the last turns of sweeps, oldest first, separated by blanks."""
PREFIX = b"\x00@"
"""Neither JSON nor the value of a codec begins like this. The triggers of the databases find references by it."""

_KEY = lazy_pattern(r"([0-9]{8})([0-9a-f]{64})([0-9]{12})")
_KEY_LENGTH = 8 + 64 + 12
_LAST_DAY = 99_999_999
_KEYS = msgspec.json.Decoder(list[str])


class Blob(msgspec.Struct, frozen=True):
    """One blob: the day of its put, counted from 1970; SHA-256 of its bytes in hex; its size in bytes."""

    day: int
    address: str
    size: int

    @property
    def key(self) -> str:
        """Its key in the tables of the store. Keys are in the order of days."""
        return f"{self.day:08d}{self.address}{self.size:012d}"

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Return the blob of a key. Raises ValueError: it is none."""
        parts = _KEY.fullmatch(key)
        if parts is None:
            raise ValueError(f"{key!r} is no key of a blob")
        return cls(int(parts[1]), parts[2], int(parts[3]))


class BlobReference(msgspec.Struct, frozen=True):
    """The stored form of a large value: its blob, and the sealed digest of its JSON."""

    blob: Blob
    digest: bytes

    def encode(self) -> bytes:
        """Return the bytes for the column. The triggers of the databases find the key after the prefix."""
        return PREFIX + self.blob.key.encode("ascii") + self.digest


class BlobPlace(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place for the blobs of one store, as the store records it.

    `address` = its folder of a bucket, `s3://BUCKET/PREFIX/ID`; None = beside the store. `first_day` = the first day of puts into it.
    `region`, `endpoint` = as for the client of S3, None = from its surroundings.
    """

    address: str | None = None
    first_day: int = 0
    region: str | None = None
    endpoint: str | None = None

    def encode(self) -> str:
        """Return the text for the entry of `meta`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the place that a store records."""
        return msgspec.json.decode(text, type=cls)


class BlobContents(Protocol):
    """A place for the bytes of blobs. Every method may be called from any thread."""

    @property
    def place(self) -> str:
        """The location, for people."""
        ...

    @property
    def first_day(self) -> int:
        """The first day of puts."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a put takes so long that no event loop should wait for it."""
        ...

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob; it is durable when this returns. Raises CodecUnavailableError: the place cannot store it now."""
        ...

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none. Raises CodecUnavailableError: the place does not answer."""
        ...

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order; see `get`."""
        ...

    def days(self) -> list[int]:
        """Return the days that have blobs, in order."""
        ...

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address."""
        ...

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the blobs of a closed day except those of the addresses `keep`; return how many."""
        ...

    def take_turn(self, turn: str, record: Callable[[str], bool]) -> None:
        """Take the turn to delete. `record` commits it to the store; its argument is the turn that is there, "" = none.

        It returns whether that one is a turn of this store.

        Raises:
            ConflictError: another copy of the store deletes here.
        """
        ...

    def close(self) -> None:
        """Free connections; a later call opens them again."""
        ...


class LargeValues:
    """Puts large values and parts of files among the blobs and gets them back.

    `threshold` in stored bytes; `now` in milliseconds since 1970. `read_file_key` = returns the key by which the store knows its files.
    """

    def __init__(
        self,
        contents: BlobContents,
        now: Callable[[], int],
        threshold: int = DEFAULT_THRESHOLD,
        read_file_key: Callable[[], bytes] = bytes,
    ) -> None:
        self.contents = contents
        self.read_file_key = read_file_key
        self.threshold = threshold
        self._now = now
        self._fetched: Mapping[str, bytes] = MappingProxyType({})

    def put(self, sealed: bytes, digest: bytes) -> bytes:
        """Store a sealed value; return the reference for its column. Raises CodecUnavailableError: it cannot be stored now."""
        blob = Blob(self._today(), address_of(sealed), len(sealed))
        self.contents.put(blob, sealed)
        return BlobReference(blob, digest).encode()

    def put_chunk(self, sealed: bytes) -> str:
        """Store a sealed part of a file; return its key. Raises CodecUnavailableError: it cannot be stored now."""
        blob = Blob(self._today(), address_of(sealed), len(sealed))
        self.contents.put(blob, sealed)
        return blob.key

    def get_chunk(self, key: str) -> bytes:
        """Return a sealed part of a file. Raises BlobMissingError, CodecUnavailableError: as `get`."""
        return self.get(BlobReference(Blob.of_key(key), b""))

    def renew(self, stored: bytes) -> bytes:
        """Return a stored value for a commit of now: a reference of an earlier day is put again, because that day may be closed by then.

        The chunks of files keep their keys: the JSON of the value has them.

        Raises:
            BlobMissingError, CodecUnavailableError: as `get` and `put`.
        """
        reference = parse_reference(stored)
        if reference is None or reference.blob.day == self._today():
            return stored
        renewed = self.put(self.get(reference), reference.digest)
        keys, _ = split_held_blobs(stored)
        return encode_with_blobs([key for key in keys if key != reference.blob.key], renewed) if keys else renewed

    def get(self, reference: BlobReference) -> bytes:
        """Return the sealed value of a reference.

        Raises:
            BlobMissingError: its blob is absent or damaged.
            CodecUnavailableError: the place of the blobs does not answer.
        """
        data = self._fetched.get(reference.blob.key) or self.contents.get(reference.blob)
        if data is None or address_of(data) != reference.blob.address:
            state = "is absent" if data is None else "is damaged"
            raise BlobMissingError(
                f"blob {reference.blob.address} of a large value ({reference.blob.size:,} bytes) {state}\nin {self.contents.place}",
                hint=f"Restore it from a backup of {self.contents.place}, then continue the run: mainspring runs retry RUN.",
            )
        return data

    def list_remote(self, values: object, *, with_inputs: bool) -> list[BlobReference]:
        """Return the references in rows of a run whose blobs take long to read. Raises CodecUnavailableError.

        `with_inputs` = also those in fields `input` of rows, which a replay compares by their digests.
        """
        references = _find_references(values, with_inputs=with_inputs)
        return references if references and self.contents.is_remote else []

    def fetch(self, references: Iterable[BlobReference]) -> dict[str, bytes]:
        """Read blobs; return those that are there, by key. Raises CodecUnavailableError: the place does not answer."""
        blobs = {reference.blob.key: reference.blob for reference in references}
        found = zip(blobs, self.contents.get_many(list(blobs.values())), strict=True)
        return {key: data for key, data in found if data is not None}

    @contextlib.contextmanager
    def using(self, fetched: Mapping[str, bytes]) -> Iterator[None]:
        """Inside, `get` finds what `fetch` has read."""
        self._fetched = fetched
        try:
            yield
        finally:
            self._fetched = MappingProxyType({})

    def _today(self) -> int:
        return max(day_at(self._now()), self.contents.first_day)


def encode_with_blobs(keys: Iterable[str], stored: bytes) -> bytes:
    """Return the stored form of a value that needs more blobs than its own: a list of all their keys, and then the value.

    The triggers of the databases find the list after the prefix.
    """
    reference = parse_reference(stored)
    own = () if reference is None else (reference.blob.key,)
    return PREFIX + msgspec.json.encode(sorted({*keys, *own})) + stored


def split_held_blobs(data: bytes) -> tuple[list[str], bytes]:
    """Return the keys of the list in front of a stored value, and the value; no keys, if there is no list."""
    if data[:3] != PREFIX + b"[":
        return [], data
    end = data.find(b"]") + 1
    try:
        keys = _KEYS.decode(data[len(PREFIX) : end])
    except msgspec.DecodeError:
        return [], data
    return keys, data[end:]


def parse_reference(data: bytes) -> BlobReference | None:
    """Return the reference that a column holds, None if it holds the value itself."""
    if data[:2] != PREFIX:
        return None
    if data[2:3] == b"[":
        keys, stored = split_held_blobs(data)
        return parse_reference(stored) if keys else None
    end = len(PREFIX) + _KEY_LENGTH
    key = data[len(PREFIX) : end].decode("ascii", "replace")
    return BlobReference(Blob.of_key(key), data[end:]) if _KEY.fullmatch(key) else None


def _find_references(value: object, *, with_inputs: bool) -> list[BlobReference]:
    if isinstance(value, bytes):
        reference = parse_reference(value)
        return [] if reference is None else [reference]
    parts: Iterable[object] = ()
    if isinstance(value, msgspec.Struct):
        parts = (getattr(value, name) for name in value.__struct_fields__ if with_inputs or name != "input")
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    return [reference for part in parts for reference in _find_references(part, with_inputs=with_inputs)]


def is_reference_to(stored: bytes, data: bytes) -> bool:
    """Return whether `stored` is a reference, with its digest opened, to a value whose JSON is `data`: none of its bytes are read."""
    reference = parse_reference(stored)
    return reference is not None and reference.digest == hashlib.sha256(data).hexdigest().encode()


def address_of(data: bytes) -> str:
    """Return the address of a blob with these bytes."""
    return hashlib.sha256(data).hexdigest()


def day_at(now: int) -> int:
    """Return the day of an instant in milliseconds since 1970."""
    return min(max(0, now // DAY_MS), _LAST_DAY)

"""A folder of a bucket as the place for blobs in S3: PREFIX/ID/DAY/ADDRESS, and the object `owner`, which says who may delete.

Invariants: each store has a folder of its own. A sweep deletes only after it has written its turn into `owner`, over a turn of the same
store, so a copy of the store and its original never both delete. See docs/adr/0056-blobs-in-s3.md.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mainspring.domain.errors import CodecUnavailableError, ConflictError
from mainspring.domain.values.blob import Blob
from mainspring.integrations.s3.s3_address import S3Address
from mainspring.integrations.s3.s3_folder import S3Folder
from mainspring.store import failpoints

_MAX_READS: Final = 8
_MAX_TURN_TRIES: Final = 5
_OWNER: Final = "owner"
_PROBE: Final = "check"


def make_s3_folder(prefix: S3Address) -> str:
    """Return the address of a new folder below a prefix, for one store."""
    start = prefix.key.strip("/")
    return str(S3Address(prefix.bucket, f"{start}/{secrets.token_hex(6)}" if start else secrets.token_hex(6)))


class S3Blobs:
    """Blobs as objects; any thread may use it. Methods raise CodecUnavailableError: S3 cannot be used now."""

    first_day = 0
    is_remote = True

    def __init__(self, address: str, region: str | None, endpoint: str | None) -> None:
        self.place = address
        self._folder = S3Folder(address, region, endpoint)

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob; S3 has checked its SHA-256 when this returns."""
        failpoints.hit("blob.before")
        self._folder.put(_name_of(blob), data, blob.address)
        failpoints.hit("blob.after")

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none."""
        return self._folder.get(_name_of(blob))

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order, some at once."""
        with ThreadPoolExecutor(_MAX_READS, thread_name_prefix="mainspring-blobs") as pool:
            return list(pool.map(self.get, blobs))

    def days(self) -> list[int]:
        """Return the days that have blobs, in order."""
        return sorted(int(name) for name in self._folder.list_folders() if name.isdecimal())

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address."""
        return self._folder.list_sizes(f"{day:08d}")

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the blobs of a closed day except those of `keep`; return how many."""
        names = [f"{day:08d}/{address}" for address in self.sizes(day) if address not in keep]
        self._folder.delete(names)
        return len(names)

    def check(self) -> None:
        """Try all that a store does here, with an object that is deleted again."""
        self.days()
        self._folder.delete([_PROBE])
        self._folder.put_over(_PROBE, b"check", None)
        if self._folder.put_over(_PROBE, b"check", None):
            raise CodecUnavailableError(
                f"the server of the bucket ignores conditions of a put\nin {self.place}",
                hint="Use a server that supports If-None-Match, such as Amazon S3 or MinIO.",
            )
        self._folder.get(_PROBE)
        self._folder.delete([_PROBE])

    def take_turn(self, turn: str, record: Callable[[str], bool]) -> None:
        """Write the turn of a sweep into the object `owner`, after `record` has committed it.

        `record` gets the turn that the object has, and returns whether it is one of this store. It is called after the bucket has
        answered, so that no outage makes the store forget the turn that the bucket has.

        Raises:
            ConflictError: the object has a turn that this store has not committed: another copy of the store deletes here.
        """
        for _ in range(_MAX_TURN_TRIES):
            found = self._folder.get_with_tag(_OWNER)
            former, tag = (b"", None) if found is None else found
            if not record(former.decode("utf-8", "replace")):
                raise _make_copy_error(self._folder.address)
            if self._folder.put_over(_OWNER, turn.encode(), tag):
                return
        raise CodecUnavailableError(f"other sweeps were faster {_MAX_TURN_TRIES} times\nin {self.place}")

    def close(self) -> None:
        """Close the connections; a later call opens others."""
        self._folder.close()


def _name_of(blob: Blob) -> str:
    return f"{blob.day:08d}/{blob.address}"


def _make_copy_error(folder: S3Address) -> ConflictError:
    prefix = S3Address(folder.bucket, folder.key.rpartition("/")[0])
    return ConflictError(
        f"another copy of this store deletes the large values that are no longer used, so this one deletes none\nin {folder}",
        hint=f"Give this store a folder of its own: mainspring db move-blobs --to {prefix}",
    )

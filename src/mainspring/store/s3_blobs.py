"""A folder of a bucket as the place for blobs: PREFIX/ID/DAY/ADDRESS, and the object `owner`, which says who may delete.

Invariants: each store has a folder of its own. A sweep deletes only after it has written its turn into `owner`, over a turn of the same
store, so a copy of the store and its original never both delete. See docs/adr/0056-blobs-in-s3.md.
"""

import contextlib
import secrets
import threading
from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from mainspring.domain.errors import CodecUnavailableError, ConfigError, ConflictError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.blob import Blob
from mainspring.integrations.s3.s3_address import S3Address, read_prefix_address
from mainspring.integrations.s3.s3_connection import (
    connect_s3,
    is_missing,
    is_precondition_failed,
    read_error_code,
    require_boto3,
)
from mainspring.store import failpoints

_READ_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = 2
_MAX_READS: Final = 8
_MAX_DELETES: Final = 1_000
_MAX_TURN_TRIES: Final = 5
_MAX_TEXT: Final = 300
_RACE_CODES: Final = frozenset({"ConditionalRequestConflict", "409"})
_LIBRARIES: Final = frozenset({"botocore", "boto3", "urllib3"})
_CHECK: Final = "Check the keys, their rights and the network, from this machine: aws s3 ls {}"


def make_s3_folder(prefix: S3Address) -> str:
    """Return the address of a new folder below a prefix, for one store."""
    start = prefix.key.strip("/")
    return str(S3Address(prefix.bucket, f"{start}/{secrets.token_hex(6)}" if start else secrets.token_hex(6)))


class S3Blobs:
    """Blobs as objects. The client is made at the first use; any thread may use it."""

    first_day = 0
    is_remote = True

    def __init__(self, address: str, region: str | None, endpoint: str | None) -> None:
        self.place = address
        self._folder = read_prefix_address(address)
        self._region = region
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._client: Any = None

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob; S3 has checked its SHA-256 when this returns. Raises CodecUnavailableError: it cannot be stored now."""
        with self._describe("cannot be stored") as client:
            failpoints.hit("blob.before")
            client.put_object(
                **self._object(blob), Body=data, ChecksumSHA256=b64encode(bytes.fromhex(blob.address)).decode()
            )
            failpoints.hit("blob.after")

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none. Raises CodecUnavailableError: S3 does not answer."""
        with self._describe("cannot be read") as client:
            try:
                data: bytes = client.get_object(**self._object(blob))["Body"].read()
            except Exception as error:
                if not is_missing(error):
                    raise
                return None
            return data

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order, some at once. Raises CodecUnavailableError."""
        with ThreadPoolExecutor(_MAX_READS, thread_name_prefix="mainspring-blobs") as pool:
            return list(pool.map(self.get, blobs))

    def days(self) -> list[int]:
        """Return the days that have blobs, in order. Raises CodecUnavailableError: S3 does not answer."""
        with self._describe("cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._folder.bucket, Prefix=f"{self._folder.key}/", Delimiter="/"
            )
            names = [
                found["Prefix"].rstrip("/").rpartition("/")[2]
                for page in pages
                for found in page.get("CommonPrefixes", ())
            ]
            return sorted(int(name) for name in names if name.isdecimal())

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address. Raises CodecUnavailableError: S3 does not answer."""
        with self._describe("cannot be listed") as client:
            return {key.rpartition("/")[2]: size for key, size in self._list(client, day)}

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the blobs of a closed day except those of `keep`; return how many. Raises CodecUnavailableError."""
        with self._describe("cannot be deleted") as client:
            keys = [key for key, _ in self._list(client, day) if key.rpartition("/")[2] not in keep]
            for start in range(0, len(keys), _MAX_DELETES):
                part = [{"Key": key} for key in keys[start : start + _MAX_DELETES]]
                reply = client.delete_objects(Bucket=self._folder.bucket, Delete={"Objects": part, "Quiet": True})
                for error in reply.get("Errors", ()):
                    text = escape(f"{error.get('Message')} ({error.get('Code')})", _MAX_TEXT)
                    raise CodecUnavailableError(
                        f"a large value cannot be deleted: {text}\nin {self.place}",
                        hint="Allow the user or role: s3:DeleteObject.",
                    )
            return len(keys)

    def take_turn(self, turn: str, known: Collection[str]) -> None:
        """Write the turn of a sweep into the object `owner`. `known` = the last turns of this store, this one among them.

        Raises:
            ConflictError: the object has a turn that this store has not committed: another copy of the store deletes here.
            CodecUnavailableError: S3 does not answer.
        """
        owner = {"Bucket": self._folder.bucket, "Key": f"{self._folder.key}/owner"}
        with self._describe("cannot be deleted") as client:
            for _ in range(_MAX_TURN_TRIES):
                condition = {"IfNoneMatch": "*"}
                with contextlib.suppress(KeyError):
                    found, etag = self._read_owner(client, owner)
                    if found not in known:
                        raise _make_copy_error(self._folder)
                    condition = {"IfMatch": etag}
                try:
                    client.put_object(**owner, Body=turn.encode(), **condition)
                except Exception as error:
                    if is_precondition_failed(error) or read_error_code(error) in _RACE_CODES:
                        continue
                    raise
                return
        raise CodecUnavailableError(f"other sweeps were faster {_MAX_TURN_TRIES} times\nin {self.place}")

    def close(self) -> None:
        """Close the connections; a later call opens others."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @staticmethod
    def _read_owner(client: Any, owner: dict[str, str]) -> tuple[str, str]:
        """Return the turn in the object `owner`, and its ETag. Raises KeyError: there is no such object."""
        try:
            found = client.get_object(**owner)
            return found["Body"].read().decode(), found["ETag"]
        except Exception as error:
            if is_missing(error):
                raise KeyError(owner["Key"]) from None
            raise

    def _list(self, client: Any, day: int) -> Iterator[tuple[str, int]]:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=self._folder.bucket, Prefix=f"{self._folder.key}/{day:08d}/"
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield found["Key"], found["Size"]

    def _object(self, blob: Blob) -> dict[str, str]:
        return {"Bucket": self._folder.bucket, "Key": f"{self._folder.key}/{blob.day:08d}/{blob.address}"}

    @contextlib.contextmanager
    def _describe(self, verb: str) -> Iterator[Any]:
        """Lend the client. Raises CodecUnavailableError instead of errors of boto3: a person or time can remove their cause."""
        try:
            yield self._open()
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in _LIBRARIES:
                raise
            response: Any = getattr(error, "response", None)
            text = response.get("Error", {}).get("Message") if isinstance(response, dict) else str(error)
            problem = escape(f"{text or 'no reason'} ({read_error_code(error)})", _MAX_TEXT)
            raise CodecUnavailableError(
                f"a large value {verb}: {problem}\nin {self.place}", hint=_CHECK.format(self._folder)
            ) from None

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    require_boto3("a store with its large values in S3")
                    self._client = connect_s3(
                        self._region, self._endpoint, {}, read_timeout_s=_READ_TIMEOUT_S, attempts=_ATTEMPTS
                    )
                except (ConfigError, ValueError) as error:
                    hint = getattr(error, "hint", None) or "Check the variables and the profile of AWS: ~/.aws."
                    raise CodecUnavailableError(f"{error}\nin {self.place}", hint=hint) from None
            return self._client


def _make_copy_error(folder: S3Address) -> ConflictError:
    prefix = S3Address(folder.bucket, folder.key.rpartition("/")[0])
    return ConflictError(
        f"another copy of this store deletes the large values that are no longer used, so this one deletes none\nin {folder}",
        hint=f"Give this store a folder of its own: mainspring db move-blobs --to {prefix}",
    )

"""A folder of a bucket: the requests that a store of large values makes there, and the meaning of what S3 answers."""

import contextlib
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mainspring.domain.errors import CodecUnavailableError, ConfigError
from mainspring.domain.text.escaping import escape
from mainspring.integrations.s3.s3_address import S3Address, read_prefix_address
from mainspring.integrations.s3.s3_connection import connect_s3, is_precondition_failed, read_error_code, require_boto3

_READ_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = 2
_MAX_DELETES: Final = 1_000
_MAX_TEXT: Final = 300
_RACE_CODES: Final = frozenset({"ConditionalRequestConflict", "409"})
_MISSING: Final = "NoSuchKey"
"""Another answer 404 is one of a proxy, or of a server that starts."""
_LIBRARIES: Final = frozenset({"botocore", "boto3", "urllib3"})
_CHECK: Final = "Check the keys, their rights and the network, from this machine: aws s3 ls {}"


class S3Folder:
    """The objects below `address`, by the rest of their keys. The client is made at the first use; any thread may use it.

    Each method raises CodecUnavailableError: S3 does not answer, or refuses for a cause that time or a person can remove.
    """

    def __init__(self, address: str, region: str | None, endpoint: str | None) -> None:
        self.address = read_prefix_address(address)
        self._region = region
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._client: Any = None

    def put(self, name: str, data: bytes, sha256: str) -> None:
        """Put an object; S3 has checked its SHA-256, given in hex, when this returns."""
        with self._describe("cannot be stored") as client:
            client.put_object(**self._object(name), Body=data, ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode())

    def put_over(self, name: str, data: bytes, tag: str | None) -> bool:
        """Put an object over the one with this tag, None = if there is none; return False if that is no longer so."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._describe("cannot be stored") as client:
            try:
                client.put_object(**self._object(name), Body=data, **condition)
            except Exception as error:
                if is_precondition_failed(error) or read_error_code(error) in _RACE_CODES:
                    return False
                raise
            return True

    def get(self, name: str) -> bytes | None:
        """Return an object, None if there is none."""
        found = self.get_with_tag(name)
        return None if found is None else found[0]

    def get_with_tag(self, name: str) -> tuple[bytes, str] | None:
        """Return an object and its tag, None if there is none."""
        with self._describe("cannot be read") as client:
            try:
                found = client.get_object(**self._object(name))
                return found["Body"].read(), found["ETag"]
            except Exception as error:
                if read_error_code(error) == _MISSING:
                    return None
                raise

    def list_folders(self) -> list[str]:
        """Return the names of the folders in this one."""
        with self._describe("cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.address.bucket, Prefix=f"{self.address.key}/", Delimiter="/"
            )
            found = [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", ())]
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found]

    def list_sizes(self, folder: str) -> dict[str, int]:
        """Return the objects in a folder of this one: bytes by name."""
        with self._describe("cannot be listed") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.address.bucket, Prefix=f"{self.address.key}/{folder}/"
            )
            found = [item for page in pages for item in page.get("Contents", ())]
        return {item["Key"].rpartition("/")[2]: item["Size"] for item in found}

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects, absent ones too."""
        with self._describe("cannot be deleted") as client:
            for start in range(0, len(names), _MAX_DELETES):
                part = [{"Key": self._object(name)["Key"]} for name in names[start : start + _MAX_DELETES]]
                reply = client.delete_objects(Bucket=self.address.bucket, Delete={"Objects": part, "Quiet": True})
                for error in reply.get("Errors", ()):
                    text = escape(f"{error.get('Message')} ({error.get('Code')})", _MAX_TEXT)
                    raise CodecUnavailableError(
                        f"a large value cannot be deleted: {text}\nin {self.address}",
                        hint="Allow the user or role: s3:DeleteObject.",
                    )

    def close(self) -> None:
        """Close the connections; a later call opens others."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _object(self, name: str) -> dict[str, str]:
        return S3Address(self.address.bucket, f"{self.address.key}/{name}").names

    @contextlib.contextmanager
    def _describe(self, verb: str) -> Iterator[Any]:
        """Lend the client, and raise CodecUnavailableError in the place of errors of boto3."""
        try:
            yield self._open()
        except Exception as error:
            # OSError, ValueError: a file of certificates that is absent, a program for keys that cannot be started or answers nonsense.
            is_known = isinstance(error, OSError | ValueError)
            if not is_known and type(error).__module__.partition(".")[0] not in _LIBRARIES:
                raise
            response: Any = getattr(error, "response", None)
            text = response.get("Error", {}).get("Message") if isinstance(response, dict) else str(error)
            problem = escape(f"{text or 'no reason'} ({read_error_code(error)})", _MAX_TEXT)
            raise CodecUnavailableError(
                f"a large value {verb}: {problem}\nin {self.address}", hint=_CHECK.format(self.address)
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
                    message = error.message if isinstance(error, ConfigError) else str(error)
                    raise CodecUnavailableError(f"{message}\nin {self.address}", hint=hint) from None
            return self._client

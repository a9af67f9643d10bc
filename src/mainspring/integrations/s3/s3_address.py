"""Addresses of S3: `s3://BUCKET/KEY`."""

import re
from typing import NamedTuple

from mainspring.domain.errors import ArgumentError
from mainspring.domain.text.escaping import escape

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_LONGEST_KEY = 1024


class S3Address(NamedTuple):
    """A bucket, and the key of an object or the start of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return escape(f"{SCHEME}{self.bucket}/{self.key}", 300)

    @property
    def names(self) -> dict[str, str]:
        """The two as boto3 names them."""
        return {"Bucket": self.bucket, "Key": self.key}


def read_object_address(text: object) -> S3Address:
    """Return the address of one object.

    Raises:
        ArgumentError: it is none.
    """
    address = read_prefix_address(text)
    if not address.key or address.key.endswith("/"):
        raise ArgumentError(
            f"{address} names no object: it ends without a name", hint='Write such as "s3://backups/2026/app.db.gz".'
        )
    return address


def read_prefix_address(text: object) -> S3Address:
    """Return the address of a prefix; without a key it is the whole bucket.

    Raises:
        ArgumentError: it is none.
    """
    is_text = isinstance(text, str) and text.startswith(SCHEME)
    bucket, _, key = str(text).removeprefix(SCHEME).partition("/")
    if not is_text or not _BUCKET.fullmatch(bucket):
        raise ArgumentError(
            f"{escape(str(text), 200)!r} is not an address of S3", hint='Write such as "s3://backups/2026/app.db.gz".'
        )
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        size = _LONGEST_KEY + 1
    if size > _LONGEST_KEY or "\0" in key:
        raise ArgumentError(
            f"the key of {escape(str(text), 200)!r} cannot be used",
            hint=f"A key has at most {_LONGEST_KEY:,} bytes of UTF-8, and no NUL.",
        )
    return S3Address(bucket, key)

"""The content of an object: bytes or a file, in parts, with the checksums that S3 computes of them.

S3 computes two checksums: SHA-256, which these actions send, and MD5 as the ETag, which every server has. For an object in parts, each is
the hash of the hashes of its parts.
"""

import hashlib
import math
import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mainspring.domain.errors import OptionError
from mainspring.triggers.files.folder import CHUNK_BYTES, FileStamp

MIB = 1024 * 1024
DEFAULT_PART_BYTES = 16 * MIB
_LEAST_PART_BYTES, _MOST_PART_BYTES = 5 * MIB, 512 * MIB
_MOST_PARTS = 10_000


class PartDigest(NamedTuple):
    """One part: its place in the content, and its hashes."""

    offset: int
    size: int
    sha256: bytes
    md5: bytes

    @property
    def checksum(self) -> str:
        """The SHA-256 as S3 writes it."""
        return b64encode(self.sha256).decode()


class ObjectContent:
    """Content of `size` bytes; `read(offset, size)` returns a piece of it. `part_size` = the size of its parts but the last."""

    def __init__(self, size: int, read: Callable[[int, int], bytes], part_size: int = DEFAULT_PART_BYTES) -> None:
        if not _LEAST_PART_BYTES <= part_size <= _MOST_PART_BYTES:
            raise OptionError(
                f"part_size={part_size}: expected bytes from {_LEAST_PART_BYTES:,} to {_MOST_PART_BYTES:,}",
                hint=f"Leave it out: {DEFAULT_PART_BYTES:,}.",
            )
        self.size = size
        self.read = read
        self.part_size = max(part_size, math.ceil(size / _MOST_PARTS))
        self._digests: dict[int, list[PartDigest]] = {}

    @classmethod
    def of_bytes(cls, data: bytes) -> "ObjectContent":
        """Return the content of bytes."""
        return cls(len(data), lambda offset, size: data[offset : offset + size])

    @property
    def is_in_parts(self) -> bool:
        """Whether it is too large for one request."""
        return self.size > self.part_size

    def digest(self, part_size: int) -> list[PartDigest]:
        """Return the parts of this size with their hashes; empty content has one part."""
        if part_size not in self._digests:
            offsets = range(0, max(self.size, 1), part_size)
            self._digests[part_size] = [
                self._digest_part(offset, min(part_size, self.size - offset)) for offset in offsets
            ]
        return self._digests[part_size]

    def _digest_part(self, offset: int, size: int) -> PartDigest:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for position in range(offset, offset + size, CHUNK_BYTES):
            piece = self.read(position, min(CHUNK_BYTES, offset + size - position))
            sha256.update(piece)
            md5.update(piece)
        return PartDigest(offset, size, sha256.digest(), md5.digest())


class FileContent(ObjectContent):
    """The content of an open file."""

    def __init__(self, descriptor: int, part_size: int) -> None:
        self._stamp = FileStamp.of(os.fstat(descriptor))
        self._descriptor = descriptor
        super().__init__(self._stamp.size, lambda offset, size: os.pread(descriptor, size, offset), part_size)

    def is_unchanged(self) -> bool:
        """Return whether no program has written to the file since it was opened."""
        return FileStamp.of(os.fstat(self._descriptor)) == self._stamp


def combine_sha256(parts: Sequence[PartDigest], *, is_in_parts: bool) -> str:
    """Return the SHA-256 of an object as S3 writes it, without the number of parts."""
    if not is_in_parts:
        return parts[0].checksum
    return b64encode(hashlib.sha256(b"".join(part.sha256 for part in parts)).digest()).decode()


def combine_etag(parts: Sequence[PartDigest], *, is_in_parts: bool) -> str:
    """Return the ETag of an object that is not encrypted with a key of KMS, without quotes."""
    if not is_in_parts:
        return parts[0].md5.hex()
    digest = hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False).hexdigest()
    return f"{digest}-{len(parts)}"


def has_part(found: dict[str, Any], part: PartDigest) -> bool:
    """Return whether a part that S3 lists is this part."""
    if found.get("Size") != part.size:
        return False
    checksum = found.get("ChecksumSHA256")
    if checksum:
        return bool(checksum == part.checksum)
    return bool(str(found.get("ETag", "")).strip('"') == part.md5.hex())

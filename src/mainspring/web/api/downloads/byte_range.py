"""The byte range of a request (RFC 9110): one range, or the whole file."""

import re
from typing import Final

import msgspec

_RANGE: Final = re.compile(
    r"bytes[ \t]*=[ \t]*(?:([0-9]{1,20})-([0-9]{0,20})|-([0-9]{1,20}))[ \t]*", re.ASCII | re.IGNORECASE
)


class ByteRange(msgspec.Struct, frozen=True):
    """The bytes from `start` to before `end` of a file of `size` bytes. `is_part` = a range was requested, and is sent as such."""

    start: int
    end: int
    size: int
    is_part: bool = False

    @property
    def header(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def find_range(range_header: str | None, if_range: str | None, tag: str, size: int) -> ByteRange | None:
    """Return the bytes that a request asks for; None = no byte of the file is in its range.

    `tag` = the entity tag of the file, in quotes. A header that is not valid, several ranges, and a range of another version of the file
    (`if_range`) mean the whole file.
    """
    whole = ByteRange(0, size, size)
    match = _RANGE.fullmatch(range_header or "")
    if match is None or (if_range is not None and if_range.strip() != tag):
        return whole
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return whole
    return ByteRange(start, end, size, is_part=True) if start < end else None

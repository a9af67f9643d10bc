"""A file that arrived in a watched folder, as the input of a run."""

import base64
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec

from mainspring.domain.ids import hash_parts
from mainspring.domain.text.printable_key import is_key_size

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_PRINTABLE_LENGTH = 900
_PATH_PREFIX_LENGTH = 200


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One content of one file. It crosses JSON; `open(file)` and `Path(file)` find it by its exact name, of whatever bytes.

    `path` = the absolute path as text for people: bytes that are not UTF-8 are shown as U+FFFD. `raw` = the exact bytes of the path in
    base64, if they are not UTF-8. `size` in bytes, `sha256` in hex and `modified` (UTC) describe it at its import.
    """

    path: str
    size: int
    sha256: str
    modified: datetime
    raw: str | None = None

    @classmethod
    def at(cls, path: bytes, *, size: int, sha256: str, modified_ns: int) -> Self:
        """Return the file of this absolute path; `modified_ns` = nanoseconds since 1970."""
        try:
            text, raw = path.decode("utf-8"), None
        except UnicodeDecodeError:
            text, raw = path.decode("utf-8", "replace"), base64.b64encode(path).decode("ascii")
        return cls(path=text, size=size, sha256=sha256, modified=_to_instant(modified_ns), raw=raw)

    @property
    def name(self) -> str:
        """The last part of `path`, as text for people."""
        return file_name(self.path)

    def as_path(self) -> Path:
        """Return the exact path."""
        return Path(os.fspath(self))

    def __fspath__(self) -> str:
        return os.fsdecode(self.path.encode("utf-8") if self.raw is None else base64.b64decode(self.raw))


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def is_encoded_file(fields: Collection[str]) -> bool:
    """Return whether a JSON object with these fields is an encoded `File`: `name` is not among them, it follows from `path`."""
    return {"path", "size", "sha256", "modified"} <= set(fields) <= set(File.__struct_fields__)


def make_file_key(path: str, sha256: str) -> str:
    """Return the key under which one content at one path counts; `path` = below the watched folder, undecodable bytes as surrogates.

    Different paths never share a key. Unprintable characters are written as %XX; of a very long path its start and its hash are stored.
    """
    printable = "".join(
        character
        if character.isprintable() and character != "%"
        else "".join(f"%{b:02X}" for b in os.fsencode(character))
        for character in path
    )
    key = f"{printable}@{sha256}"
    if len(printable) > _MAX_PRINTABLE_LENGTH or not is_key_size(key):
        key = f"{printable[:_PATH_PREFIX_LENGTH]}~{hash_parts(os.fsencode(path))}@{sha256}"
    return key


def _to_instant(nanoseconds: int) -> datetime:
    """Return the instant; a date outside of every calendar, as file systems may report, becomes the nearest valid one."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if nanoseconds > 0 else datetime.min.replace(tzinfo=UTC)

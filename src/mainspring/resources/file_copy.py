"""A copy of a stored file on its way to a path: a part file beside the target, which becomes it once all bytes are right.

Invariants: the target has all bytes, or does not change; no part file is left behind, whatever fails.
"""

import hashlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from mainspring.domain.errors import ArgumentError, FileRefError
from mainspring.domain.text.escaping import escape


class FileCopy:
    """One copy: `with FileCopy(target) as copy`. Its methods block."""

    def __init__(self, target: Path) -> None:
        if target.is_dir():
            raise ArgumentError(
                f"{escape(str(target), 200)} is a folder", hint="Name the file that is to be written, with its folder."
            )
        self._target = target
        # Without the name of the target: with it, the name could be too long.
        self._part = target.with_name(f".mainspring-{secrets.token_hex(8)}.part")
        self._file = self._part.open("xb")
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._file.close()
        finally:
            self._part.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append bytes. Raises OSError: the disk is full."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Drop all bytes."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, sha256: str, name: str) -> None:
        """Give the copy its name. Raises FileRefError: its bytes are not those of the file, whose `name` is for the message."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._digest.hexdigest() != sha256:
            raise FileRefError(f"file {name} is damaged: its SHA-256 is not that of the put file")
        self._part.replace(self._target)

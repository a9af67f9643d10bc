"""The disk reserve: a few megabytes beside the store.

It is released when the disk is full, so that pending commits and the report of the full disk can still be written, and
rebuilt when there is space again.
"""

import contextlib
import os
from pathlib import Path

from mainspring.store.side_files import create_side_file
from mainspring.store.sqlite.filesystem import free_bytes

SIZE = 4 * 1024 * 1024
_NEEDED_BYTES = 16 * SIZE
_BLOCK = b"\0" * 65_536


class DiskReserve:
    """The reserve of one store. Never raises: without a reserve the store works as well."""

    def __init__(self, store: Path, size: int = SIZE) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".reserve")
        self._size = size
        self.given_up = False

    def keep(self) -> None:
        """Create the reserve if it is missing and the disk has enough space."""
        with contextlib.suppress(OSError):
            if not self._path.exists():
                if free_bytes(self._path.parent) < _NEEDED_BYTES:
                    return
                self._fill()
            self.given_up = False

    def _fill(self) -> None:
        # Written, not only reserved: some file systems promise space that they do not have.
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            part.unlink(missing_ok=True)
            with os.fdopen(create_side_file(part, os.O_WRONLY, store=self._store), "wb") as file:
                for _ in range(self._size // len(_BLOCK)):
                    file.write(_BLOCK)
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Release the reserve; tell whether there was one."""
        self.given_up = True
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False

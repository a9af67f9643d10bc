"""A few megabytes kept in reserve beside the store.

Given up when the disk is full, so that what is in flight, and the news of the full disk itself, can still be written. Taken back when there
is room again.
"""

import contextlib
import os
from pathlib import Path

from mainspring.store.side_files import create_side_file
from mainspring.store.sqlite.filesystem import free_bytes

SIZE = 4 * 1024 * 1024
_ROOM = 16 * SIZE
_BLOCK = b"\0" * 65_536


class DiskReserve:
    """The reserve of one store. Never raises: without a reserve the store works all the same."""

    def __init__(self, store: Path, size: int = SIZE) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".ballast")
        self._size = size
        self.given_up = False

    def keep(self) -> None:
        """Make the reserve if it is missing and the disk has plenty of room."""
        with contextlib.suppress(OSError):
            if not self._path.exists():
                if free_bytes(self._path.parent) < _ROOM:
                    return
                self._fill()
            self.given_up = False

    def _fill(self) -> None:
        # Written, not only reserved: some file systems promise what they do not have.
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
        """Free the reserve; tell whether there was one."""
        self.given_up = True
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False

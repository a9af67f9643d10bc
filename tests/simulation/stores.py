"""The databases that are simulated on: an empty one for each world, as each of its processes opens it, and reads beside them.

Another one is one more name in STORES, whose commits return when they are done: the world is one thread.
"""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mainspring.domain.clock import Clock, SystemClock
from mainspring.store.base import Database, Reader
from mainspring.store.handlers.table import HANDLERS
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.reader import SqliteReader

_SHM = Path("/dev/shm")
FOLDER = _SHM if _SHM.is_dir() else None


class Store(Protocol):
    """The store of one world."""

    reader: Reader

    def open(self, clock: Clock) -> Database:
        """Open it once more, as another process does."""
        ...

    def close(self) -> None:
        """Close the reads, and take away what is not in the folder."""
        ...


@functools.cache
def _empty() -> Path:
    """Return an empty file, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    SqliteDatabase(folder / "s.db", clock=SystemClock(), handlers=HANDLERS).close()
    return folder / "s.db"


class SqliteFile:
    """A file in the world's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "s.db"
        shutil.copy(_empty(), self._path)
        self._path.with_name("s.db.ballast").touch()  # four megabytes less to write
        self.reader: Reader = SqliteReader(self._path)

    def open(self, clock: Clock) -> Database:
        """See Store."""
        return SqliteDatabase(self._path, clock=clock, handlers=HANDLERS)

    def close(self) -> None:
        """See Store."""
        self.reader.close()


STORES: dict[str, Callable[[Path], Store]] = {"sqlite": SqliteFile}
"""By name; each is made with the folder of its world."""

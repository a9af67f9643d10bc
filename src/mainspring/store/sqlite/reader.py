"""The SQLite reader: a pool of short read-only connections, beside the write connection and never blocking it.

An open read keeps the write-ahead log from being truncated, so each read is fetched completely, and a read longer than
ten seconds is interrupted.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.base import Snapshot, StoreDamagedError
from mainspring.store.commit_mark import find_lost_commits, make_finding
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.damage import damage_found, error_of_fault
from mainspring.store.sqlite.file_identity import FileIdentity
from mainspring.store.sqlite.store_mark import mark_of, read_marks
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.transaction import Params, Rows

_MAX_IDLE = 8
_MAX_READ_S = 10.0
_STEPS_BETWEEN_CHECKS = 50_000


class SqliteReader:
    """A base.StoreReader of one file, for any thread."""

    notice: str | None = None
    """Nothing can disturb the connection to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._presence = FileIdentity(path, include_side_files=False)
        self._idle: list[apsw.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def read(self, query: str, params: Params = ()) -> Rows:
        """Return all rows of a statement of `queries/`."""
        return self._fetch(TEXTS[query], params)

    def read_text(self, text: str, params: Params = ()) -> Rows:
        """Return all rows of a composed statement; see base.StoreReader."""
        return self._fetch(TEXTS.worded(text), params)

    def _fetch(self, text: str, params: Params) -> Rows:
        with self._connection() as connection:
            return connection.execute(text, params).fetchall()

    def findings(self) -> list[StoreFinding]:
        """Return the findings of side files: a note of damage, or a mark of later commits."""
        try:
            lost = find_lost_commits(read_marks(mark_of(self._path)), self.read)
        except StoreDamagedError:  # already noted
            lost = None
        return [*damage_found(self._path), *([] if lost is None else [make_finding(lost)])]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open a `read` whose calls all see the same commit."""
        with self._connection() as connection:
            connection.execute("begin")
            try:

                def read(query: str, params: Params = ()) -> Rows:
                    return connection.execute(TEXTS[query], params).fetchall()

                yield read
            finally:
                connection.execute("rollback")

    @contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        """Lend a connection. After a fault it is not lent again."""
        if self._closed:
            raise StoreUnavailableError("the store was closed")
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            self._presence.check()  # first: a file that was readable before and cannot be reached now is unavailable, not forbidden
            connection = connect(self._path, read_only=True)
        self._check_identity(connection)
        deadline = time.monotonic() + _MAX_READ_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
        try:
            yield connection
        except apsw.Error as fault:
            connection.close(True)
            self._presence.check()
            if isinstance(fault, apsw.InterruptError):
                raise StoreUnavailableError(f"a read took longer than {_MAX_READ_S:.0f} s and was cancelled") from fault
            raise error_of_fault(fault, self._path) or fault from fault
        except BaseException:
            connection.close(True)
            raise
        connection.set_progress_handler(None)
        with self._lock:
            is_reused = not self._closed and len(self._idle) < _MAX_IDLE
            if is_reused:
                self._idle.append(connection)
        if not is_reused:
            connection.close()

    def _check_identity(self, connection: apsw.Connection) -> None:
        """Check that the store's own file is open: it may have been replaced just before it was opened."""
        try:
            self._presence.check()
        except BaseException:
            connection.close(True)
            raise

    def close(self) -> None:
        """Close the connections; those in use close when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

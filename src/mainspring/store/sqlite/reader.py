"""Reads: a pool of short read-only connections, beside the one that writes and never in its way.

A reader that stays open keeps the write-ahead log from being emptied, so each read is fetched whole, and one that takes longer than ten
seconds is broken off.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.base import Rows, Snapshot, StoreDamagedError
from mainspring.store.commit_mark import find_lost_commits, make_finding
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.damage import damage_found, error_of_fault
from mainspring.store.sqlite.file_identity import FileIdentity
from mainspring.store.sqlite.store_mark import mark_of, marks_beside
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.transaction import Params

_KEPT = 8
_LONGEST = 10.0
_STEPS_BETWEEN_LOOKS = 50_000


class SqliteReader:
    """A base.Reader of one file, from any thread."""

    notice: str | None = None
    """Nothing stands between."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._presence = FileIdentity(path, beside=False)
        self._idle: list[apsw.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def read(self, query: str, params: Params = ()) -> Rows:
        """Return all rows of a statement of `queries/`."""
        return self._fetch(TEXTS[query], params)

    def read_text(self, text: str, params: Params = ()) -> Rows:
        """Return all rows of a statement that was put together; see base.Reader."""
        return self._fetch(TEXTS.worded(text), params)

    def _fetch(self, text: str, params: Params) -> Rows:
        with self._connection() as connection:
            return connection.execute(text, params).fetchall()

    def findings(self) -> list[StoreFinding]:
        """Return what lies beside the file: a note that it is damaged, a mark that knows later commits."""
        try:
            lost = find_lost_commits(marks_beside(mark_of(self._path)), self.read)
        except StoreDamagedError:  # noted by now
            lost = None
        return [*damage_found(self._path), *([] if lost is None else [make_finding(lost)])]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Give a `read` whose calls all see the same commit."""
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
        """Lend a connection. One that had a fault is not lent again."""
        if self._closed:
            raise StoreUnavailableError("the store was closed")
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            self._presence.check()  # first: what was read before and cannot be reached now is away, and not forbidden
            connection = connect(self._path, read_only=True)
        self._see(connection)
        until = time.monotonic() + _LONGEST
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
        try:
            yield connection
        except apsw.Error as fault:
            connection.close(True)
            self._presence.check()
            if isinstance(fault, apsw.InterruptError):
                raise StoreUnavailableError(f"a read took longer than {_LONGEST:.0f} s and was broken off") from fault
            raise error_of_fault(fault, self._path) or fault from fault
        except BaseException:
            connection.close(True)
            raise
        connection.set_progress_handler(None)
        with self._lock:
            keep = not self._closed and len(self._idle) < _KEPT
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _see(self, connection: apsw.Connection) -> None:
        """Look whether it is the store's own file that is open: it may have been replaced a moment before it was opened."""
        try:
            self._presence.check()
        except BaseException:
            connection.close(True)
            raise

    def close(self) -> None:
        """Close the connections; the ones that are lent close when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

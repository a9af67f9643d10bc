"""Reads: a few short connections, beside the one that writes and never in its way.

Each read is one message to the server and back: a transaction of its own that may not write, and that is broken off after ten seconds.
What is so for all reads is said once, when a connection is made: said with each it costs more, on both sides, than a small read itself.
Through a pooler each transaction has to say it, for the next one may be another's.
"""

import atexit
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.store.base import Rows, Snapshot
from mainspring.store.commit_mark import find_lost_commits, make_finding
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import POOLED, ServerConnection, is_pooled, prepare
from mainspring.store.postgres.hidden_schema import explain_fault
from mainspring.store.postgres.host_marks import HostMarks
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import run
from mainspring.store.transaction import Params

MOST = 3
_LONGEST_MS = "10000"
_PATIENCE = 10.0


class PostgresReader:
    """A base.Reader of one schema, from any thread. `marks` = the folder of this host's commit marks."""

    def __init__(self, address: Address, *, marks: Path | None = None) -> None:
        self._address = address
        self._marks = HostMarks(marks)
        self.notice: str | None = None
        """What is to be known of the way to the server, for people; told from the first read on."""
        self._opening = {"schema": address.schema, "longest": _LONGEST_MS}
        self._pool: ConnectionPool[ServerConnection] = ConnectionPool(
            address.conninfo,
            connection_class=ServerConnection,
            kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
            configure=self._configure,
            check=_check,
            min_size=0,
            max_size=MOST,
            timeout=_PATIENCE,
            max_idle=60.0,
            num_workers=1,
            open=True,
            name="mainspring-reader",
        )
        atexit.register(self.close)

    def _configure(self, connection: ServerConnection) -> None:
        prepare(connection)
        self.notice = POOLED if is_pooled(connection) else None
        if not is_pooled(connection):
            run(connection.cursor(), TEXTS["prepare_reader"], self._opening)

    def read(self, query: str, params: Params = ()) -> Rows:
        """Return all rows of a statement of `queries/`."""
        return self._fetch(TEXTS[query], params)

    def read_text(self, text: str, params: Params = ()) -> Rows:
        """Return all rows of a statement that was put together; see base.Reader."""
        return self._fetch(TEXTS.worded(text), params)

    def _fetch(self, text: str, params: Params) -> Rows:
        with self._connection() as connection:
            if not is_pooled(connection):
                return run(connection.cursor(), text, params).fetchall()
            with connection.pipeline():
                connection.execute("begin read only")
                run(connection.cursor(), TEXTS["prepare_read"], self._opening)
                found = run(connection.cursor(), text, params)
                connection.execute("commit")
            return found.fetchall()

    def findings(self) -> list[StoreFinding]:
        """Return what the marks of this host show: that the store lacks commits."""
        now = self.read("read_server_time")[0][0] if self._marks.read() else 0
        lost = find_lost_commits(self._marks.compared(now), self.read)
        return [] if lost is None else [make_finding(lost)]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Give a `read` whose calls all see the same commit."""
        with self._connection() as connection:

            def read(query: str, params: Params = ()) -> Rows:
                if _is_begun(connection):
                    return run(connection.cursor(), TEXTS[query], params).fetchall()
                with connection.pipeline():
                    connection.execute("begin isolation level repeatable read read only")
                    if is_pooled(connection):
                        run(connection.cursor(), TEXTS["prepare_read"], self._opening)
                    found = run(connection.cursor(), TEXTS[query], params)
                return found.fetchall()

            try:
                yield read
            finally:
                if not connection.closed and _is_begun(connection):
                    connection.execute("rollback")

    @contextmanager
    def _connection(self) -> Iterator[ServerConnection]:
        """Lend a connection. One that had a fault is not lent again."""
        try:
            with self._pool.connection() as connection:
                try:
                    yield connection
                except psycopg.Error:
                    connection.close()
                    raise
        except (PoolTimeout, PoolClosed) as error:
            raise StoreUnavailableError(f"the database is out of reach\nat {self._address.shown}: {error}") from error
        except psycopg.Error as fault:
            raise explain_fault(fault, self._address) or fault from fault

    def close(self) -> None:
        """Close the connections; the ones that are lent close when they come back.

        At the end of the process by itself: its threads would be waited for in vain, for ten seconds.
        """
        atexit.unregister(self.close)
        self._pool.close(timeout=1.0)


def _check(connection: ServerConnection) -> None:
    """Take a connection out of the pool if it was cut while nobody had it: the read that found out would be lost for it.

    Raises psycopg.Error. Nothing is sent, unless something came in that nobody had asked for: an end mostly, or what was said before it.
    """
    came = select.poll()
    came.register(connection.fileno(), select.POLLIN)
    if came.poll(0):
        ConnectionPool.check_connection(connection)


def _is_begun(connection: ServerConnection) -> bool:
    return connection.info.transaction_status != TransactionStatus.IDLE

"""The PostgreSQL reader: a few short connections, beside the write connection and never blocking it.

Each read is one round trip to the server: a read-only transaction of its own that is cancelled after ten seconds.
Settings for all reads are sent once per connection: with each read they would cost more, on both sides, than a small
read itself. Through a pooler each transaction sends them, because the next one may be another client's.
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
from mainspring.store.base import Snapshot
from mainspring.store.commit_mark import find_lost_commits, make_finding
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import POOLED, ServerConnection, is_pooled, prepare
from mainspring.store.postgres.host_marks import HostMarks
from mainspring.store.postgres.schema_check import explain_fault
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import run
from mainspring.store.schema.row import first_value
from mainspring.store.transaction import Params, Rows

MOST = 3
_LONGEST_MS = "10000"
_POOL_TIMEOUT_S = 10.0


class PostgresReader:
    """A base.StoreReader of one schema, for any thread. `marks` = the folder of this host's commit marks."""

    def __init__(self, address: Address, *, marks: Path | None = None) -> None:
        self._address = address
        self._marks = HostMarks(marks)
        self.notice: str | None = None
        """A warning about the connection to the server, for people; set at the first read."""
        self._opening = {"schema": address.schema, "longest": _LONGEST_MS}
        self._pool: ConnectionPool[ServerConnection] = ConnectionPool(
            address.conninfo,
            connection_class=ServerConnection,
            kwargs={"autocommit": True, "cursor_factory": psycopg.RawCursor},
            configure=self._configure,
            check=_check,
            min_size=0,
            max_size=MOST,
            timeout=_POOL_TIMEOUT_S,
            # Otherwise the pauses between attempts double for five minutes, and reads fail long after the server is back.
            reconnect_timeout=_POOL_TIMEOUT_S,
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
        """Return all rows of a composed statement; see base.StoreReader."""
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
        """Return the finding of this host's marks: that the store lacks commits."""
        now = (first_value(self.read("read_server_time"), int) or 0) if self._marks.read() else 0
        lost = find_lost_commits(self._marks.compared(now), self.read)
        return [] if lost is None else [make_finding(lost)]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open a `read` whose calls all see the same commit."""
        with self._connection() as connection:

            def read(query: str, params: Params = ()) -> Rows:
                if _is_in_transaction(connection):
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
                if not connection.closed and _is_in_transaction(connection):
                    connection.execute("rollback")

    @contextmanager
    def _connection(self) -> Iterator[ServerConnection]:
        """Lend a connection. After a fault it is not lent again."""
        try:
            with self._pool.connection() as connection:
                try:
                    yield connection
                except psycopg.Error:
                    connection.close()
                    raise
        except (PoolTimeout, PoolClosed) as error:
            raise StoreUnavailableError(f"the database is unreachable\nat {self._address.location}: {error}") from error
        except psycopg.Error as fault:
            raise explain_fault(fault, self._address) or fault from fault

    def close(self) -> None:
        """Close the connections; those in use close when they are returned.

        Called by itself at the end of the process, which would otherwise wait ten seconds for its threads.
        """
        atexit.unregister(self.close)
        self._pool.close(timeout=1.0)


def _check(connection: ServerConnection) -> None:
    """Remove a connection from the pool if it was cut while idle: otherwise the next read would fail.

    Raises psycopg.Error. Nothing is sent, unless there is unrequested input: mostly the end of the connection, or a
    message before it.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


def _is_in_transaction(connection: ServerConnection) -> bool:
    return connection.info.transaction_status != TransactionStatus.IDLE

"""Connection to a server: values have fixed types, each wait has a limit, and a server that could lose acknowledged
commits is refused.
"""

import logging
import time
from collections.abc import Callable
from math import inf
from typing import TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8Dumper

from mainspring.domain.errors import MainspringError, StoreError, StoreUnavailableError
from mainspring.store.base import ServerLoginError, UnsafeServerError
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.arrays import register
from mainspring.store.postgres.error_table import translate
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.transaction import Row

OLDEST = 140_000
"""PostgreSQL 14."""
POOLED = (
    "a connection pooler is before the server: hints of other processes (LISTEN) do not pass it, so "
    "the store is polled each second, and statements are planned each time"
)
"""The consequences, for people."""
BEGIN = "begin isolation level read committed"
"""Sent each time: a role or a database may have other defaults, and with a snapshot older than the locks, locks are
useless.
"""
UNHURRIED = (
    "select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)
"""Sent in a transaction that may take long: the role's limits are not made for it."""
ANSWERS_WITHIN = 15.0
"""Seconds within which a reachable server has answered a read, or cancelled it."""
_STANDBY_WAIT_FUNCTION = "SyncRepWaitForLSN"
"""The server function in which a COMMIT abandons its wait for standbys; its message is translated, this name is not."""

WAIT_INTERVAL_S = 0.1
"""Seconds after which psycopg resumes a wait without an answer."""
Answer = TypeVar("Answer")


class ServerTimeoutError(psycopg.OperationalError):
    """The server did not answer in time; the connection is closed."""


class ServerConnection(psycopg.Connection[Row]):
    """A connection with a limit for each wait: a silent connection can look open to the system.

    `answers_within` = seconds; set it to infinity for a statement that may take longer. `is_unsure`: a COMMIT abandoned
    its wait for the standbys and was reported as done although they do not have it.
    """

    answers_within = inf
    is_unsure = False
    meanwhile: Callable[[], None] | None = None
    """Called once, at the next wait for an answer."""

    def wait(self, gen: PQGen[Answer], interval: float = WAIT_INTERVAL_S, timeout: float | None = None) -> Answer:
        """Wait for an answer up to `answers_within`. Raises ServerTimeoutError."""
        if self.answers_within == inf:
            return super().wait(gen, interval, timeout)
        return super().wait(self._limit_wait(gen), interval, timeout)

    def _limit_wait(self, gen: PQGen[Answer]) -> PQGen[Answer]:
        """Forward a wait. The caller resumes it several times a second, even without an answer."""
        deadline = time.monotonic() + self.answers_within
        try:
            request = next(gen)
            if self.meanwhile is not None:
                call, self.meanwhile = self.meanwhile, None
                call()
            while True:
                ready = yield request
                if not ready and time.monotonic() >= deadline:
                    self.pgconn.finish()
                    raise ServerTimeoutError(f"no answer for {self.answers_within:.0f} s")
                request = gen.send(ready)
        except StopIteration as end:
            return cast("Answer", end.value)

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Note a notice that the server sends besides its answers."""
        if notice.source_function == _STANDBY_WAIT_FUNCTION:
            self.is_unsure = True


def _is_foreign_record(record: logging.LogRecord) -> bool:
    """Tell whether a log record of psycopg concerns no connection of the store: errors of those are reported by the
    store itself.
    """
    about = record.args if isinstance(record.args, tuple) else ()
    return not any(
        isinstance(part, ServerConnection) or isinstance(getattr(part, "_conn", None), ServerConnection)
        for part in about
    )


for _name in ("psycopg", "psycopg.pool"):
    logging.getLogger(_name).addFilter(_is_foreign_record)


class _BytesDumper(Dumper):
    """Bytes as bytea, whatever type the server would infer."""

    oid = psycopg.postgres.types["bytea"].oid
    format = psycopg.pq.Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def connect(address: Address) -> ServerConnection:
    """Open a connection that begins no transaction by itself.

    Raises:
        StoreUnavailableError: the server does not answer, or is unavailable now.
        StoreError: the server rejects the login.
    """
    try:
        connection = ServerConnection.connect(address.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
        prepare(connection)
    except psycopg.Error as fault:
        raise _error_of_login(fault, address) from fault
    return connection


def prepare(connection: ServerConnection) -> None:
    """Set fixed types for values. One type for all numbers: a statement is then prepared once, not once for each width.

    Nothing is prepared if a pooler may give each transaction to another server process.
    """
    connection.answers_within = ANSWERS_WITHIN
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.add_notice_handler(connection.note)
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(bytes, _BytesDumper)
    register(connection)
    if _is_behind_pooler(connection):
        connection.prepare_threshold = None


def is_pooled(connection: ServerConnection) -> bool:
    """Tell whether session state (a LISTEN, a statement) may belong to another client in the next transaction."""
    return connection.prepare_threshold is None


def _is_behind_pooler(connection: ServerConnection) -> bool:
    """Ask the server for its process number: a pooler reports a number of its own at the start."""
    return connection.execute("select pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def refuse_unsafe(connection: ServerConnection, address: Address) -> None:
    """Check that the server keeps what it acknowledges.

    Raises:
        UnsafeServerError: it does not, or is too old.
        StoreUnavailableError: it is a read-only copy.
    """
    if connection.info.server_version < OLDEST:
        raise UnsafeServerError(
            f"PostgreSQL {connection.info.parameter_status('server_version')} is too old for a store\nat {address.location}",
            hint="Use PostgreSQL 14 or newer.",
        )
    row = connection.execute(TEXTS["read_server_durability"]).fetchone() or ()
    fsync, synchronous, pages, is_copy, encoding = row
    for setting, value, good in (("fsync", fsync, "on"), ("full_page_writes", pages, "on")):
        if value == "off":
            raise UnsafeServerError(
                f"the server could lose or damage what it acknowledged: {setting} is {value}\nat {address.location}",
                hint=f"Set {setting} = {good} in postgresql.conf and reload it.",
            )
    if synchronous == "off":
        raise UnsafeServerError(
            f"the server could lose what it acknowledged: synchronous_commit is off\nat {address.location}",
            hint="Set synchronous_commit = on for this database and role: alter role ... set synchronous_commit = on.",
        )
    if encoding != "UTF8":
        raise UnsafeServerError(
            f"the database cannot store every character: its encoding is {encoding}\nat {address.location}",
            hint="Create another one, and use it: create database ... encoding 'UTF8' template template0",
        )
    if is_copy:
        raise StoreUnavailableError(
            f"the server is a read-only copy\nat {address.location}",
            hint="Name the primary, or all hosts of the cluster: postgresql://USER@HOST1,HOST2/DATABASE",
        )


def refuse_waiting_for_standby(address: Address, fault: psycopg.Error) -> None:
    """Check that no backend of this database waits for a standby; does nothing if the server cannot be asked.

    Raises StoreUnavailableError, caused by the `fault` that this wait led to.
    """
    try:
        with connect(address) as connection:
            waits = connection.execute(TEXTS["list_backends_waiting_for_standby"]).fetchone() is not None
    except (psycopg.Error, MainspringError):
        return
    if waits:
        raise StoreUnavailableError(
            f"the database waits for a standby that does not confirm what was committed\nat {address.location}",
            hint="Start the servers of synchronous_standby_names. Without one no commit is acknowledged.",
        ) from fault


def _error_of_login(fault: psycopg.Error, address: Address) -> MainspringError:
    """Return the error for a failed login. The server's text may repeat the host and user, never the password."""
    text = str(fault).strip()
    if "unsupported startup parameter" in text:
        return StoreError(
            "the pooler before the database does not accept a setting from the address of the store\nat "
            f"{address.location}: {text.splitlines()[-1]}",
            hint="Remove options=... from store.url, or add the setting to ignore_startup_parameters of pgbouncer.",
        )
    if any(words in text for words in ("too many connections", "too many clients", "connection slots are reserved")):
        return StoreUnavailableError(
            f"the database accepts no more connections\nat {address.location}: {text.splitlines()[-1]}",
            hint="Raise max_connections, or the limit of the role or database, or start fewer workers.",
        )
    if "read-only" in text:
        return StoreUnavailableError(
            f"the database is read-only\nat {address.location}: {text.splitlines()[-1]}",
            hint="Name the primary; or, if it is the primary: alter role ... set default_transaction_read_only = off.",
        )
    if any(
        word in text
        for word in (
            "authentication failed",
            "no password supplied",
            "pg_hba.conf",
            "does not exist",
            "no such database",
            "no such user",
        )
    ):
        return ServerLoginError(
            f"the database rejects the connection\nat {address.location}: {text.splitlines()[-1]}",
            hint="Check user, password and database in store.url.",
        )
    return translate(fault, address.location) or StoreUnavailableError(
        f"the database is unreachable\nat {address.location}: {text}"
    )

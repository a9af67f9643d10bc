"""Opening a connection.

Values travel as we mean them, no question waits for ever, and a server that could lose what it acknowledged is refused.
"""

import logging
import time
from collections.abc import Callable, Generator
from math import inf
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8Dumper

from mainspring.domain.errors import MainspringError, StoreError, StoreUnavailableError
from mainspring.store.base import ServerLoginError, UnsafeServerError
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.arrays import register
from mainspring.store.postgres.error_table import translate
from mainspring.store.postgres.texts import TEXTS

OLDEST = 140_000
"""PostgreSQL 14."""
POOLED = (
    "a connection pooler stands before the server: hints of other processes (LISTEN) do not come through it, so what they did is seen"
    " by a look each second; and statements are planned each time"
)
"""What that means, for people."""
BEGIN = "begin isolation level read committed"
"""Said each time: a role or a database may have other defaults, and locks taken first are no help to who reads as of before them."""
UNHURRIED = (
    "select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)
"""Said in a transaction that may take long, for the bounds that a role has are not made for it."""
ANSWERS_WITHIN = 15.0
"""Seconds in which a server that is there has answered a read, or broken it off."""
_WAIT_GIVEN_UP = "SyncRepWaitForLSN"
"""Where in the server the wait of a COMMIT for its standbys is given up; its text is translated, this name is not."""


class ServerTimeoutError(psycopg.OperationalError):
    """Nobody answered in time; the connection is closed."""


class ServerConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which no question waits for ever: a line can be silent and look open, for all that the system knows of it.

    `answers_within` = seconds; whoever asks something that may take longer sets it to infinity meanwhile. `is_unsure`: a COMMIT gave up
    its wait for the standbys and was reported as done although they do not have it.
    """

    answers_within = inf
    is_unsure = False
    meanwhile: Callable[[], None] | None = None
    """Called once, when the next answer is waited for."""

    def wait(self, gen: Generator[Any, Any, Any], *how: Any, **options: Any) -> Any:
        """Wait for an answer, as long as it may take. Raises ServerTimeoutError."""
        if self.answers_within == inf:
            return super().wait(gen, *how, **options)
        return super().wait(self._in_time(gen), *how, **options)

    def _in_time(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Pass on what is waited for. Whoever waits comes by several times a second, also where nothing has come."""
        until = time.monotonic() + self.answers_within
        try:
            wanted = next(gen)
            if self.meanwhile is not None:
                call, self.meanwhile = self.meanwhile, None
                call()
            while True:
                found = yield wanted
                if not found and time.monotonic() >= until:
                    self.pgconn.finish()
                    raise ServerTimeoutError(f"no answer for {self.answers_within:.0f} s")
                wanted = gen.send(found)
        except StopIteration as end:
            return end.value

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Take note of what the server says beside its answers."""
        if notice.source_function == _WAIT_GIVEN_UP:
            self.is_unsure = True


def _is_of_others(record: logging.LogRecord) -> bool:
    """Tell whether a line of psycopg is not of a connection of ours: what happens to ours is an error that we report ourselves."""
    about = record.args if isinstance(record.args, tuple) else ()
    return not any(
        isinstance(part, ServerConnection) or isinstance(getattr(part, "_conn", None), ServerConnection)
        for part in about
    )


for _name in ("psycopg", "psycopg.pool"):
    logging.getLogger(_name).addFilter(_is_of_others)


class _BytesDumper(Dumper):
    """Bytes as bytea, whatever the statement lets the server guess."""

    oid = psycopg.postgres.types["bytea"].oid
    format = psycopg.pq.Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def connect(address: Address) -> ServerConnection:
    """Open a connection without a transaction of its own accord.

    Raises:
        StoreUnavailableError: nobody answers, or answers that it will not now.
        StoreError: the server refuses us.
    """
    try:
        connection = ServerConnection.connect(address.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
        prepare(connection)
    except psycopg.Error as fault:
        raise _refused(fault, address) from fault
    return connection


def prepare(connection: ServerConnection) -> None:
    """Let values travel as we mean them. One type for all numbers: a statement is then prepared once, not once for each width of them.

    Nothing is prepared where a pooler may give each transaction to another process of the server.
    """
    connection.answers_within = ANSWERS_WITHIN
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.add_notice_handler(connection.note)
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(bytes, _BytesDumper)
    register(connection)
    if _stands_before_a_pooler(connection):
        connection.prepare_threshold = None


def is_pooled(connection: ServerConnection) -> bool:
    """Tell whether what is left behind in a session - a LISTEN, a statement - may be another one's in the next transaction."""
    return connection.prepare_threshold is None


def _stands_before_a_pooler(connection: ServerConnection) -> bool:
    """Ask the server for the number of its process: what a pooler says at the start is a number of its own making."""
    return connection.execute("select pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def refuse_unsafe(connection: ServerConnection, address: Address) -> None:
    """Do nothing if the server keeps what it acknowledges.

    Raises:
        UnsafeServerError: it does not, or is too old.
        StoreUnavailableError: it is a copy that may only be read.
    """
    if connection.info.server_version < OLDEST:
        raise UnsafeServerError(
            f"PostgreSQL {connection.info.parameter_status('server_version')} is too old for a store\nat {address.shown}",
            hint="Use PostgreSQL 14 or newer.",
        )
    row = connection.execute(TEXTS["read_server_durability"]).fetchone() or ()
    fsync, synchronous, pages, is_copy, encoding = row
    for setting, value, good in (("fsync", fsync, "on"), ("full_page_writes", pages, "on")):
        if value == "off":
            raise UnsafeServerError(
                f"the server could lose or damage what it acknowledged: {setting} is {value}\nat {address.shown}",
                hint=f"Set {setting} = {good} in postgresql.conf and reload it.",
            )
    if synchronous == "off":
        raise UnsafeServerError(
            f"the server could lose what it acknowledged: synchronous_commit is off\nat {address.shown}",
            hint="Set synchronous_commit = on for this database and role: alter role ... set synchronous_commit = on.",
        )
    if encoding != "UTF8":
        raise UnsafeServerError(
            f"the database cannot hold each letter: its encoding is {encoding}\nat {address.shown}",
            hint="Make another one, and name it: create database ... encoding 'UTF8' template template0",
        )
    if is_copy:
        raise StoreUnavailableError(
            f"the server is a copy that may only be read\nat {address.shown}",
            hint="Name the primary, or all hosts of the cluster: postgresql://USER@HOST1,HOST2/DATABASE",
        )


def refuse_waiting_for_standby(address: Address, fault: psycopg.Error) -> None:
    """Do nothing if nobody in this database is kept waiting for a standby, or the server cannot be asked.

    Raises StoreUnavailableError, caused by the `fault` that this wait led to.
    """
    try:
        with connect(address) as looking:
            waits = looking.execute(TEXTS["list_backends_waiting_for_standby"]).fetchone() is not None
    except (psycopg.Error, MainspringError):
        return
    if waits:
        raise StoreUnavailableError(
            f"the database waits for a standby that does not confirm what was committed\nat {address.shown}",
            hint="Are the servers of synchronous_standby_names up? Without one nothing is acknowledged.",
        ) from fault


def _refused(fault: psycopg.Error, address: Address) -> MainspringError:
    """Tell why there is no connection. What the server says may repeat the host and user, never the password."""
    said = str(fault).strip()
    if "unsupported startup parameter" in said:
        return StoreError(
            f"the pooler before the database does not take what the address of the store sets\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Take it (options=...) out of store.url, or name it in ignore_startup_parameters of pgbouncer.",
        )
    if any(words in said for words in ("too many connections", "too many clients", "connection slots are reserved")):
        return StoreUnavailableError(
            f"the database takes no more connections\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Raise max_connections, or the limit of the role or database, or start fewer workers.",
        )
    if "read-only" in said:
        return StoreUnavailableError(
            f"the database may only be read\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Name the primary; or, if it is that: alter role ... set default_transaction_read_only = off.",
        )
    if any(
        word in said
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
            f"the database refuses us\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Look at user, password and database in store.url.",
        )
    return translate(fault, address.shown) or StoreUnavailableError(
        f"the database is out of reach\nat {address.shown}: {said}"
    )

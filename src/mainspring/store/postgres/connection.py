"""Opening a connection: values travel as we mean them, and a server that could lose what it acknowledged is refused."""

from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8Dumper

from mainspring.domain.errors import MainspringError, StoreError, StoreUnavailableError
from mainspring.store.base import UnsafeServerError
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.arrays import register
from mainspring.store.postgres.faults import translate
from mainspring.store.postgres.texts import TEXTS

Connection = psycopg.Connection[tuple[Any, ...]]
OLDEST = 140_000
"""PostgreSQL 14."""
POOLED = (
    "a connection pooler stands before the server: hints of other processes (LISTEN) do not come through it, so what they did is seen"
    " by a look each second; and statements are planned each time"
)
"""What that means, for people."""


class _BytesDumper(Dumper):
    """Bytes as bytea, whatever the statement lets the server guess."""

    oid = psycopg.postgres.types["bytea"].oid
    format = psycopg.pq.Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def connect(address: Address) -> Connection:
    """Open a connection without a transaction of its own accord.

    Raises:
        StoreUnavailableError: nobody answers, or answers that it will not now.
        StoreError: the server refuses us.
    """
    try:
        connection = psycopg.connect(address.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
        prepare(connection)
    except psycopg.Error as fault:
        raise _refused(fault, address) from fault
    return connection


def prepare(connection: Connection) -> None:
    """Let values travel as we mean them. One type for all numbers: a statement is then prepared once, not once for each width of them.

    Nothing is prepared where a pooler may give each transaction to another process of the server.
    """
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(bytes, _BytesDumper)
    register(connection)
    if _stands_before_a_pooler(connection):
        connection.prepare_threshold = None


def is_pooled(connection: Connection) -> bool:
    """Tell whether what is left behind in a session - a LISTEN, a statement - may be another one's in the next transaction."""
    return connection.prepare_threshold is None


def _stands_before_a_pooler(connection: Connection) -> bool:
    """Ask the server for the number of its process: what a pooler says at the start is a number of its own making."""
    return connection.execute("select pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def refuse_unsafe(connection: Connection, address: Address) -> None:
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
    row = connection.execute(TEXTS["read_safety"]).fetchone() or ()
    fsync, synchronous, pages, is_copy = row
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
    if is_copy:
        raise StoreUnavailableError(
            f"the server is a copy that may only be read\nat {address.shown}",
            hint="Name the primary, or all hosts of the cluster: postgresql://USER@HOST1,HOST2/DATABASE",
        )


def _refused(fault: psycopg.Error, address: Address) -> MainspringError:
    """Tell why there is no connection. What the server says may repeat the host and user, never the password."""
    said = str(fault).strip()
    if "unsupported startup parameter" in said:
        return StoreError(
            f"the pooler before the database does not take what the address of the store sets\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Take it (options=...) out of store.url, or name it in ignore_startup_parameters of pgbouncer.",
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
        return StoreError(
            f"the database refuses us\nat {address.shown}: {said.splitlines()[-1]}",
            hint="Look at user, password and database in store.url.",
        )
    return translate(fault, address.shown) or StoreUnavailableError(
        f"the database is out of reach\nat {address.shown}: {said}"
    )

"""The endpoint of a move on PostgreSQL: a schema's store."""

import contextlib
from collections.abc import Iterator
from math import inf

import msgspec
import psycopg
from psycopg import sql

from mainspring.domain.clock import Clock
from mainspring.domain.errors import NotFoundError
from mainspring.domain.values.blob import Blob
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.liveness import has_process_ended
from mainspring.store.maintenance.move_endpoint import (
    apply_offline,
    in_use,
    is_marked,
    not_empty,
    other_move,
    read_source_marker,
    write_source_marker,
)
from mainspring.store.maintenance.move_marker import ARRIVING, COMPLETED, GONE, PROGRESS, MoveSource, MoveTarget
from mainspring.store.maintenance.table_rows import CARRIED_META, NOT_CARRIED
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import UNHURRIED, ServerConnection, connect, refuse_unsafe
from mainspring.store.postgres.error_table import statement_error
from mainspring.store.postgres.migrate import migrate, version_of
from mainspring.store.postgres.table_rows import PostgresRows
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import Cursor, PostgresTransaction
from mainspring.store.schema.processes.sessions import SESSION_VIEW
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.write.sessions import declare_all_dead

_NOW = "select (extract(epoch from clock_timestamp()) * 1000)::bigint"


class PostgresEndpoint:
    """A maintenance.move_endpoint.MoveEndpoint."""

    holds_nul = False

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock

    @property
    def location(self) -> str:
        """Server, database and schema."""
        return self._address.location

    def read_marker(self) -> MoveSource | None:
        """Return the target of its move, finished or not; migrates it first."""
        with self._connection() as connection:
            if not version_of(connection, self._address.schema):
                raise NotFoundError(f"there is no store\nat {self.location}", hint="Name the store to move: --store")
            migrate(connection, self._address)
            leaving, arriving = self._meta(connection, GONE), self._meta(connection, ARRIVING)
        return read_source_marker(leaving, arriving, self.location)

    def texts_with_nul(self) -> list[str]:
        """Return nothing: no text on a server can contain NUL."""
        return []

    def mark_leaving(self, marker: MoveSource, act: AuditedCommand[CommandDone]) -> None:
        """Declare dead sessions dead and mark it as leaving."""
        with self._transaction() as tx:
            self.declare_all_dead(tx)
            write_source_marker(tx, marker, act)

    def declare_all_dead(self, tx: PostgresTransaction) -> None:
        """Declare sessions without a lease dead; raise an error that names the others. All other writers wait until the
        commit.
        """
        self._lock_all(tx)
        self._refuse_if_used(tx)
        declare_all_dead(tx)

    def refuse_if_used(self) -> None:
        """Check that no process uses the store, or that it does not exist. Raises StoreHeldError."""
        with self._connection() as connection:
            refuse_unsafe(connection, self._address)
            is_there = version_of(connection, self._address.schema) > 0
        if is_there:
            with self._transaction() as tx:
                self._refuse_if_used(tx)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Cursor]:
        """Open a transaction in which no process uses the store, and none can start to."""
        with self._transaction() as tx:
            if tx.cursor.execute("select to_regclass('sessions') is not null").fetchone() == (True,):
                self._lock_all(tx)
                self._refuse_if_used(tx)
            yield tx.cursor

    def drop_unfinished(self) -> None:
        """Drop what an interrupted copy left. Raises ConflictError if it is anything else."""
        with self._connection() as connection:
            if version_of(connection, self._address.schema):
                if self._meta(connection, ARRIVING) is None:  # it was created, and has no mark yet
                    with self._transaction() as tx:
                        self._require_no_rows(tx)
                connection.execute(f"drop schema {sql.Identifier(self._address.schema).as_string(connection)} cascade")

    def _refuse_if_used(self, tx: PostgresTransaction) -> None:
        expired = set(tx.values("list_expired_sessions", (), int))
        live = SESSION_VIEW.read_all(tx.all("list_live_sessions", (10_000,)))
        used = [
            f"{each.role} {each.pid} on {each.hostname}"
            for each in live
            if each.id not in expired and not has_process_ended(each.host, each.pid, each.pid_started)
        ]
        if used:
            raise in_use(self.location, used)

    def settle(self, marker: MoveSource | None, act: AuditedCommand[CommandDone] | None = None) -> None:
        """Change or remove the mark."""
        with self._transaction() as tx:
            write_source_marker(tx, marker, act)

    @contextlib.contextmanager
    def reading(self) -> Iterator[PostgresRows]:
        """Open its rows for reading, all of one commit."""
        with self._connection() as connection:
            connection.execute("begin isolation level repeatable read read only")
            connection.execute(UNHURRIED)
            try:
                yield PostgresRows(connection, self._address)
            finally:
                if not connection.closed:
                    connection.execute("rollback")

    def read_completed_move(self) -> str | None:
        """Return the id of the move that completed it."""
        with self._connection() as connection:
            return self._meta(connection, COMPLETED) if version_of(connection, self._address.schema) else None

    def list_blobs(self) -> list[Blob]:
        """Return the blobs that its rows refer to."""
        with self._transaction() as tx:
            return list(map(Blob.of_key, tx.values("list_referenced_blobs", (), str)))

    def read_meta(self, key: str) -> str | None:
        """Return an entry of `meta`."""
        with self._connection() as connection:
            return self._meta(connection, key)

    def apply(self, command: StoreCommand[CommandDone | Refused]) -> None:
        """Apply a command to a store that no process uses."""
        with self._transaction() as tx:
            self._lock_all(tx)
            self._refuse_if_used(tx)
            apply_offline(tx, command)

    def require_empty(self) -> None:
        """Check that it was never used, or does not exist."""
        with self._connection() as connection:
            refuse_unsafe(connection, self._address)
            if not version_of(connection, self._address.schema):
                self._require_no_tables(connection)
            migrate(
                connection, self._address
            )  # what it cannot be, or we may not do, is known before anything is marked
            found = self._meta(connection, ARRIVING)
            if found is not None:
                raise other_move(self.location, msgspec.json.decode(found, type=MoveTarget), self._emptying_command)
        with self._transaction() as tx:
            self._require_no_rows(tx)

    def receive(self, marker: MoveTarget) -> None:
        """Create and mark it."""
        with self._connection() as connection:
            refuse_unsafe(connection, self._address)
            migrate(connection, self._address)
        with self._transaction() as tx:
            self._lock_all(tx)
            if is_marked(tx.value("read_meta", (ARRIVING,), str), marker, self.location, self._emptying_command):
                return
            self._require_no_rows(tx)
            tx.cursor.execute(f"delete from meta where {CARRIED_META}")  # noqa: S608 - constant words
            tx.change("put_meta", (ARRIVING, msgspec.json.encode(marker).decode()))

    @contextlib.contextmanager
    def writing(self) -> Iterator[PostgresRows]:
        """Open its rows for appending."""
        with self._connection() as connection:
            yield PostgresRows(connection, self._address)

    def release(self, move: str) -> None:
        """Remove the mark, so that the store can be used; analyze the tables, whose statistics were those of empty
        ones.
        """
        with self._transaction() as tx:
            self.open_up(tx.cursor, move)

    def open_up(self, cursor: Cursor, move: str) -> None:
        """Remove the mark in a transaction of the caller, whose first schema is the store's."""
        cursor.execute("delete from meta where key = $1 or starts_with(key, $2)", (ARRIVING, PROGRESS))
        cursor.execute(TEXTS["put_meta"], (COMPLETED, move))
        cursor.execute(TEXTS["raise_epoch"])
        for table in self._tables(cursor):
            cursor.execute(f'analyze "{table}"')

    def _require_no_rows(self, tx: PostgresTransaction) -> None:
        for table in self._tables(tx.cursor):
            if table not in ("meta", *NOT_CARRIED) and tx.cursor.execute(f'select 1 from "{table}" limit 1').fetchone():  # noqa: S608 - constant names
                raise not_empty(self.location, table)

    def _require_no_tables(self, connection: ServerConnection) -> None:
        found = connection.execute(
            "select tablename from pg_tables where schemaname = $1 limit 1", (self._address.schema,)
        ).fetchall()
        for (table,) in found:
            raise not_empty(self.location, table)

    @property
    def _emptying_command(self) -> str:
        """How to empty it."""
        return f"drop schema {sql.Identifier(self._address.schema).as_string(None)} cascade (in that database)"

    def _lock_all(self, tx: PostgresTransaction) -> None:
        """Block all other writers until this transaction ends; running ones end first, later ones find the mark."""
        names = ", ".join(f'"{table}"' for table in self._tables(tx.cursor))
        tx.cursor.execute(f"lock table {names} in exclusive mode")

    @staticmethod
    def _tables(cursor: Cursor) -> list[str]:
        found = cursor.execute(
            "select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r' order by 1"
        )
        return first_values(found.fetchall(), str)

    def _meta(self, connection: ServerConnection, key: str) -> str | None:
        table = sql.Identifier(self._address.schema, "meta").as_string(connection)
        text = f"select value from {table} where key = $1"  # noqa: S608 - a constant name
        return first_value(connection.execute(text, (key,)).fetchall(), str)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[PostgresTransaction]:
        with self._connection() as connection, connection.transaction():
            cursor = connection.cursor()
            cursor.execute(UNHURRIED)
            cursor.execute("select set_config('search_path', $1, true)", (self._address.schema,))
            (now,) = cursor.execute(_NOW).fetchall()[0]
            yield PostgresTransaction(
                cursor, self._address.schema, now=now, session=None, again=False, sealing=PLAIN_SEALING
            )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[ServerConnection]:
        """Open a connection, close it at the end, and raise the meaning of its faults."""
        connection = connect(self._address)
        connection.answers_within = inf  # a single statement counts a whole table
        try:
            yield connection
        except psycopg.Error as fault:
            raise statement_error(fault, self.location) from fault
        finally:
            connection.close()

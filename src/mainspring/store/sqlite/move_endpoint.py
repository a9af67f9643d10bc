"""The endpoint of a move in SQLite: a store's file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import NotFoundError, StoreError
from mainspring.domain.values.blob import Blob
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.liveness import find_users
from mainspring.store.maintenance.move_endpoint import (
    apply_offline,
    in_use,
    is_marked,
    not_empty,
    read_source_marker,
    write_source_marker,
)
from mainspring.store.maintenance.move_marker import ARRIVING, COMPLETED, GONE, PROGRESS, MoveSource, MoveTarget
from mainspring.store.maintenance.table_rows import CARRIED_META, NOT_CARRIED, Row
from mainspring.store.schema.row import first_value
from mainspring.store.sqlite.backup import count_rows
from mainspring.store.sqlite.connection import connect, prepare_folder, refuse_foreign
from mainspring.store.sqlite.error_table import statement_error
from mainspring.store.sqlite.fair_write_lock import FairWriteLock
from mainspring.store.sqlite.migrate import migrate, version_of
from mainspring.store.sqlite.table_rows import SqliteRows
from mainspring.store.sqlite.transaction import SqliteTransaction
from mainspring.store.write.sessions import declare_all_dead


class SqliteEndpoint:
    """A maintenance.move_endpoint.MoveEndpoint."""

    holds_nul = True

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self._path)

    def read_marker(self) -> MoveSource | None:
        """Return the target of its move, finished or not; migrates it first."""
        refuse_foreign(self._path)
        if not self._path.exists():
            raise NotFoundError(f"there is no store\nat {self._path}", hint="Name the store to move: --store")
        with self._writing() as connection:
            migrate(connection)
            leaving, arriving = _meta(connection, GONE), _meta(connection, ARRIVING)
        return read_source_marker(leaving, arriving, self.location)

    def texts_with_nul(self) -> list[str]:
        """Return some places of texts that contain NUL."""
        with self._reading() as connection:
            return SqliteRows(connection).texts_with_nul()

    def mark_leaving(self, marker: MoveSource, act: AuditedCommand[CommandDone]) -> None:
        """Declare dead sessions dead and mark it as leaving."""
        with self._writing() as connection:
            refuse_if_used(self._path)
            tx = self._begin(connection)
            declare_all_dead(tx)
            write_source_marker(tx, marker, act)
            connection.execute("commit")

    def settle(self, marker: MoveSource | None, act: AuditedCommand[CommandDone] | None = None) -> None:
        """Change or remove the mark."""
        with self._writing() as connection:
            tx = self._begin(connection)
            write_source_marker(tx, marker, act)
            connection.execute("commit")

    @contextlib.contextmanager
    def reading(self) -> Iterator[SqliteRows]:
        """Open its rows for reading, all of one commit."""
        with self._reading() as connection:
            connection.execute("begin")
            yield SqliteRows(connection)

    def read_completed_move(self) -> str | None:
        """Return the id of the move that completed it."""
        if not self._path.exists() or not self._path.stat().st_size:
            return None
        with self._reading() as connection:
            return _meta(connection, COMPLETED) if version_of(connection) else None

    def list_blobs(self) -> list[Blob]:
        """Return the blobs that its rows refer to."""
        with self._reading() as connection:
            tx = SqliteTransaction(connection, now=0, session=None, again=False)
            return list(map(Blob.of_key, tx.values("list_referenced_blobs", (), str)))

    def read_meta(self, key: str) -> str | None:
        """Return an entry of `meta`."""
        with self._reading() as connection:
            return _meta(connection, key)

    def apply(self, command: StoreCommand[CommandDone | Refused]) -> None:
        """Apply a command to a store that no process uses."""
        with self._writing() as connection:
            refuse_if_used(self._path)
            apply_offline(self._begin(connection), command)
            connection.execute("commit")

    def require_empty(self) -> None:
        """Check that it is missing, or an empty file."""
        refuse_foreign(self._path)
        if self._path.exists() and self._path.stat().st_size:
            raise not_empty(self.location, "a file")

    def receive(self, marker: MoveTarget) -> None:
        """Create and mark it."""
        prepare_folder(self._path)
        with self._writing(create=True) as connection:
            migrate(connection)
            if is_marked(_meta(connection, ARRIVING), marker, self.location, f"remove {self._path}"):
                return
            tx = self._begin(connection)
            used = [
                name for name, rows in count_rows(connection).items() if rows and name not in ("meta", *NOT_CARRIED)
            ]
            if used:
                raise not_empty(self.location, used[0])
            connection.execute(f"delete from meta where {CARRIED_META}")  # noqa: S608 - constant words
            tx.change("put_meta", (ARRIVING, msgspec.json.encode(marker).decode()))
            connection.execute("commit")

    @contextlib.contextmanager
    def writing(self) -> Iterator[SqliteRows]:
        """Open its rows for appending."""
        with self._writing() as connection:
            yield SqliteRows(connection)

    def release(self, move: str) -> None:
        """Remove the mark, so that the store can be used."""
        with self._writing() as connection:
            tx = self._begin(connection)
            connection.execute("delete from meta where key = ? or key like ?", (ARRIVING, f"{PROGRESS}%"))
            tx.change("put_meta", (COMPLETED, move))
            tx.change("raise_epoch")
            connection.execute("commit")
            connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _begin(self, connection: apsw.Connection) -> SqliteTransaction:
        connection.execute("begin immediate")
        return SqliteTransaction(connection, now=self._clock.now(), session=None, again=False)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._translate_faults(connect(self._path, read_only=True)) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self, *, create: bool = False) -> Iterator[apsw.Connection]:
        write_lock = FairWriteLock(self._path)
        try:
            with write_lock, self._translate_faults(connect(self._path, create=create)) as connection:
                yield connection
        finally:
            write_lock.close()

    @contextlib.contextmanager
    def _translate_faults(self, connection: apsw.Connection) -> Iterator[apsw.Connection]:
        """Close the connection at the end, and raise the meaning of its faults."""
        try:
            yield connection
        except apsw.Error as fault:
            raise statement_error(fault, self._path) from fault
        finally:
            connection.close(True)


def refuse_if_used(store: Path) -> None:
    """Check that no lock file of a session is held by its process or one of its children, or unreadable. Raises
    StoreHeldError.
    """
    used_ids = frozenset(find_users(store.with_name(f"{store.name}.sessions")))
    if not used_ids:
        return
    sessions: list[Row] = []
    with contextlib.suppress(StoreError, NotFoundError, apsw.Error):  # a damaged store can be in use too
        connection = connect(store, read_only=True)
        try:
            sessions = connection.execute("select uuid, role, pid from sessions").fetchall()
        finally:
            connection.close(True)
    raise in_use(
        str(store), sorted(f"{role} {pid}" for uuid, role, pid in sessions if uuid in used_ids) or sorted(used_ids)
    )


def _meta(connection: apsw.Connection, key: str) -> str | None:
    found = connection.execute("select value from meta where key = ?", (key,)).fetchall()
    return first_value(found, str)

"""Copies of a store on a server, and putting one back. A copy is a store's file, the same as that of a store in a file: one form for all.

It is made from one snapshot while others go on writing, row by row, and compared by counts and hashes.
"""

import tempfile
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from mainspring.domain.clock import Clock
from mainspring.domain.errors import StoreError
from mainspring.store import failpoints
from mainspring.store.maintenance.move_marker import MoveTarget
from mainspring.store.maintenance.store_move import copy_and_compare, refuse_nul
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.move_endpoint import PostgresEndpoint
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.sqlite.backup import Backup, copy_store, verify, write_backup
from mainspring.store.sqlite.move_endpoint import SqliteEndpoint
from mainspring.store.sqlite.restore import MOST_OPERATIONS, OperationRows, RestoreResult, hold_store

_LONGEST = 40
"""Letters of a schema's name that are kept where it gets an ending: the server cuts off after 63."""


def back_up(address: Address, folder: Path, *, clock: Clock, keep: int | None = None) -> Backup:
    """Write a checked copy of the store into `folder`; see sqlite.backup.back_up."""

    def fill(part: Path) -> dict[str, int]:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".copy-") as work:
            file = Path(work) / "store.db"
            source, target = PostgresEndpoint(address, clock), SqliteEndpoint(file, clock)
            target.receive(MoveTarget("backup", source.shown))
            copy_and_compare(source, target, _silent)
            target.release("backup")
            return copy_store(file, part)

    return write_backup(address.schema, folder, fill, now=clock.now(), keep=keep)


def restore(backup: Path, address: Address, *, clock: Clock) -> RestoreResult:
    """Replace the store by a backup, held. The old schema is kept under another name.

    Raises:
        StoreHeldError: a process still uses the store.
        StoreError: the backup is not good, or the role may not make a schema; the store is as it was.
    """
    rows = verify(backup)
    old = PostgresEndpoint(address, clock)
    old.refuse_if_used()
    fresh = msgspec.structs.replace(address, schema=f"{address.schema[:_LONGEST]}_restoring")
    new = PostgresEndpoint(fresh, clock)
    with tempfile.TemporaryDirectory(prefix="mainspring-restore-") as work:
        file = Path(work) / "store.db"
        copy_store(backup, file)
        unfinished, aside = hold_store(file, backup, clock, lambda seq: _acts_after(address, seq))
        source = SqliteEndpoint(file, clock)
        refuse_nul(source, new)
        new.drop_unfinished()
        new.receive(MoveTarget("restore", str(backup)))
        copy_and_compare(source, new, _silent)
    failpoints.hit("restore.filled")
    kept = f"{address.schema[:_LONGEST]}_before_{clock.now()}"
    was_there = _swap(old, new, fresh.schema, address.schema, kept)
    return RestoreResult(rows, f"schema {kept}" if was_there else None, unfinished, aside)


def _acts_after(address: Address, seq: int) -> OperationRows | None:
    """Return the acts on record in the store that is replaced, after one of them; None where it cannot be read."""
    reader = PostgresReader(address)
    try:
        return reader.read("list_operations_after", (seq, MOST_OPERATIONS))
    except (StoreError, psycopg.Error):
        return None
    finally:
        reader.close()


def _swap(old: PostgresEndpoint, new: PostgresEndpoint, fresh: str, schema: str, kept: str) -> bool:
    """Open the new schema and let it take the old one's name, which is kept under another, in one commit. False = there was no old one."""
    with old.alone() as cursor:
        there = cursor.execute("select 1 from pg_namespace where nspname = $1", (schema,)).fetchone() is not None
        rename = sql.SQL("alter schema {} rename to {}")
        if there:
            cursor.execute(rename.format(sql.Identifier(schema), sql.Identifier(kept)).as_string(None))
        cursor.execute("select set_config('search_path', $1, true)", (fresh,))
        new.open_up(cursor, "restore")
        cursor.execute(rename.format(sql.Identifier(fresh), sql.Identifier(schema)).as_string(None))
    return there


def _silent(_: str) -> None:
    """A copy is small enough to wait for without a word."""

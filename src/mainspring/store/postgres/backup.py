"""Backup and restore of a store on a server. A backup is a store's file, the same as that of a store in a file.

It is made from one snapshot while other processes continue to write, row by row, and compared by counts and hashes.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from mainspring.domain.clock import Clock
from mainspring.domain.errors import StoreError
from mainspring.domain.values.blob import Blob, BlobPlace
from mainspring.store import failpoints
from mainspring.store.commands.blobs import RecordBlobPlace
from mainspring.store.maintenance.move_marker import MoveTarget
from mainspring.store.maintenance.store_move import copy_and_compare, refuse_nul
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.move_endpoint import PostgresEndpoint
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.sqlite.backup import Backup, CarryBlobs, carry_none, copy_store, verify, write_backup
from mainspring.store.sqlite.move_endpoint import SqliteEndpoint
from mainspring.store.sqlite.restore import RestoreResult, hold_store
from mainspring.store.transaction import Params, Rows

_MAX_PREFIX = 40
"""Letters of a schema's name before a suffix: the server truncates names after 63."""


CarryToSchema = Callable[[Address, list[Blob]], object]
"""Copies blobs to the schema at the address."""


def _carry_nothing(_: Address, __: list[Blob]) -> None:
    """Carry no blobs."""


def back_up(
    address: Address,
    folder: Path,
    *,
    clock: Clock,
    keep: int | None = None,
    carry_blobs: CarryBlobs = carry_none,
) -> Backup:
    """Write a checked backup of the store into `folder`; see sqlite.backup.back_up."""

    def fill(part: Path) -> dict[str, int]:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".copy-") as work:
            file = Path(work) / "store.db"
            source, target = PostgresEndpoint(address, clock), SqliteEndpoint(file, clock)
            target.receive(MoveTarget("backup", source.location))
            copy_and_compare(source, target, _ignore_progress)
            target.release("backup")
            return copy_store(file, part)

    return write_backup(address.schema, folder, fill, now=clock.now(), keep=keep, carry_blobs=carry_blobs)


def restore(
    backup: Path,
    address: Address,
    *,
    clock: Clock,
    place: BlobPlace | None = None,
    carry_blobs: CarryToSchema = _carry_nothing,
) -> RestoreResult:
    """Replace the store by a backup and put it on hold. The old schema is kept under another name.

    `place` = of its blobs, None = its own table. `carry_blobs` copies the blobs of the backup for the schema that will replace the old one.

    Raises:
        StoreHeldError: a process still uses the store.
        StoreError: the backup is invalid, or the role may not create a schema; the store is unchanged.
    """
    rows = verify(backup)
    old = PostgresEndpoint(address, clock)
    old.refuse_if_used()
    new_address = msgspec.structs.replace(address, schema=f"{address.schema[:_MAX_PREFIX]}_restoring")
    new = PostgresEndpoint(new_address, clock)
    with tempfile.TemporaryDirectory(prefix="mainspring-restore-") as work:
        file = Path(work) / "store.db"
        copy_store(backup, file)
        unfinished, skipped = hold_store(file, backup, clock, partial(_read_replaced, address), place)
        source = SqliteEndpoint(file, clock)
        refuse_nul(source, new)
        new.drop_unfinished()
        new.receive(MoveTarget("restore", str(backup)))
        copy_and_compare(source, new, _ignore_progress)
    if place is not None:
        new.apply(RecordBlobPlace(place))
    carry_blobs(new_address, new.list_blobs())
    failpoints.hit("restore.filled")
    archive_schema = f"{address.schema[:_MAX_PREFIX]}_before_{clock.now()}"
    was_there = _swap_schemas(old, new, new_address.schema, address.schema, archive_schema)
    return RestoreResult(rows, f"schema {archive_schema}" if was_there else None, unfinished, skipped)


def _read_replaced(address: Address, query: str, params: Params) -> Rows | None:
    reader = PostgresReader(address)
    try:
        return reader.read(query, params)
    except (StoreError, psycopg.Error):
        return None
    finally:
        reader.close()


def _swap_schemas(
    old: PostgresEndpoint, new: PostgresEndpoint, new_schema: str, schema: str, archive_schema: str
) -> bool:
    """Release the new schema and give it the old one's name, in one commit; the old one gets the archive name. False =
    there was no old one.
    """
    with old.exclusive() as cursor:
        exists = cursor.execute("select 1 from pg_namespace where nspname = $1", (schema,)).fetchone() is not None
        rename = sql.SQL("alter schema {} rename to {}")
        if exists:
            cursor.execute(rename.format(sql.Identifier(schema), sql.Identifier(archive_schema)).as_string(None))
        cursor.execute("select set_config('search_path', $1, true)", (new_schema,))
        new.open_up(cursor, "restore")
        cursor.execute(rename.format(sql.Identifier(new_schema), sql.Identifier(schema)).as_string(None))
        cursor.execute("select set_config('search_path', $1, true)", (schema,))
        cursor.execute(TEXTS["point_functions_at_schema"])
    return exists


def _ignore_progress(_: str) -> None:
    """Report no progress: the copy is short."""

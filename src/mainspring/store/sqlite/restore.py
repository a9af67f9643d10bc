"""Restore: replace a store by a backup.

The restored store is *held*: nothing starts until its unfinished runs are decided. What the replaced store may have
processed since the backup is skipped (see lost_interval).

The old file is kept under another name. At every moment there is one complete store under the store's name: the old one
or the new one, never the new file with the old log.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import NotFoundError, StoreError, StoreHeldError, StoreReadOnlyError
from mainspring.domain.values.blob import MOVING_KEY, PLACE_KEY, TURNS_KEY, Blob, BlobPlace
from mainspring.store.maintenance.lost_interval import (
    LostIntervalResult,
    affects_starts,
    carry_effects,
    put_on_hold,
)
from mainspring.store.restore_hold import LOST_CHANGES, LOST_EFFECTS
from mainspring.store.schema.effects.effects import EFFECT
from mainspring.store.sqlite.backup import copy_store, list_referenced_blobs, sync, verify
from mainspring.store.sqlite.connection import connect, prepare_folder
from mainspring.store.sqlite.damage import clear_damage_note
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.fair_write_lock import FairWriteLock
from mainspring.store.sqlite.migrate import migrate
from mainspring.store.sqlite.move_endpoint import refuse_if_used
from mainspring.store.sqlite.store_mark import mark_of
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.sqlite.transaction import SqliteTransaction
from mainspring.store.transaction import Params, Rows
from mainspring.store.write.sessions import declare_all_dead

ReadReplaced = Callable[[str, Params], Rows | None]
"""Read a statement of `queries/` in the replaced store; None = it cannot be read."""
_MOST_READ = 100_000
_PAGE = 1_000


def _carry_none(_: list[Blob]) -> None:
    """Carry no blobs."""


class RestoreResult(msgspec.Struct, frozen=True):
    """The result of a restore: rows by table of the backup, the path of the old store (None = there was none), the
    number of runs to decide, and what was skipped because it may have been processed after the backup.
    """

    rows: dict[str, int]
    previous_store: Path | str | None = msgspec.field(name="kept")
    unfinished: int
    skipped: LostIntervalResult = msgspec.field(default=LostIntervalResult(), name="aside")


def restore(
    backup: Path,
    store: Path,
    *,
    clock: Clock,
    place: BlobPlace | None = None,
    carry_blobs: Callable[[list[Blob]], object] = _carry_none,
) -> RestoreResult:
    """Replace the store by a backup and put it on hold. `place` = of its blobs, None = beside the store; `carry_blobs` copies them there.

    Raises:
        StoreHeldError: a process still uses the store.
        StoreError: the backup is invalid; the store is unchanged.
    """
    rows = verify(backup)
    prepare_folder(store)
    write_lock = FairWriteLock(store)
    part = store.with_name(f"{store.name}.restoring")
    try:
        with write_lock:
            refuse_if_used(store)
            copy_store(backup, part, store=store)
            unfinished, skipped = hold_store(part, backup, clock, partial(_read_replaced, store), place)
            carry_blobs(list_referenced_blobs(part))
            archive_path = _archive(store, clock.now())
            part.replace(store)
            sync(store.parent)
            mark_of(store).unlink(missing_ok=True)  # it belongs to the replaced store, as its id shows
            clear_damage_note(store)
    except OSError as error:
        raise StoreReadOnlyError(f"the store cannot be replaced\nat {store}: {error}") from error
    finally:
        for name in (part.name, f"{part.name}-wal", f"{part.name}-shm"):
            part.with_name(name).unlink(missing_ok=True)
        write_lock.close()
    return RestoreResult(rows, archive_path, unfinished, skipped)


def _read_replaced(store: Path, query: str, params: Params) -> Rows | None:
    try:
        connection = connect(store, read_only=True)
        try:
            return connection.execute(TEXTS[query], params).fetchall()
        finally:
            connection.close(True)
    except (StoreError, NotFoundError, apsw.Error):
        return None


def hold_store(
    part: Path, backup: Path, clock: Clock, read_replaced: ReadReplaced, place: BlobPlace | None
) -> tuple[int, LostIntervalResult]:
    """Prepare the copy: declare its sessions dead, give it a new identity and a place for its blobs, skip what may have been processed, put
    it on hold, and carry over the later effects of the replaced store.

    Return the number of unfinished runs, and what was skipped.
    """
    connection = connect(part, create=False)
    try:
        migrate(connection)
        connection.execute("begin immediate")
        tx = SqliteTransaction(connection, now=clock.now(), session=None, again=False)
        declare_all_dead(tx)
        operations = read_replaced(
            "list_operations_after", (tx.value("find_newest_audit_number", (), int) or 0, _MOST_READ)
        )
        changes = (
            None
            if operations is None
            else [operation for operation in operations if affects_starts(operation[2], operation[3])]
        )
        entries = {
            "store": f"{clock.random_bits(128):032x}",
            "restored_from": str(backup),
            PLACE_KEY: _choose_place(place, tx.value("read_open_day", (), int) or 0).encode(),
            TURNS_KEY: None,
            MOVING_KEY: None,
            LOST_CHANGES: None if changes is None else _changes_as_data(changes),
        }
        carried = _carry_effects(tx, read_replaced)
        if carried is not None:
            entries[LOST_EFFECTS] = str(carried)
        skipped = msgspec.structs.replace(put_on_hold(tx, entries), effects=carried)
        unfinished = tx.value("count_unfinished_runs", (), int) or 0
        connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    except apsw.Error as fault:
        raise translate(fault, part) or fault from fault
    finally:
        connection.close(True)
    sync(part)
    return unfinished, skipped


def _choose_place(place: BlobPlace | None, open_day: int) -> BlobPlace:
    """Return the place with a first day of puts that the copy has not closed: a move of the blobs closes days to come."""
    place = BlobPlace() if place is None else place
    return msgspec.structs.replace(place, first_day=max(place.first_day, open_day))


def _carry_effects(tx: SqliteTransaction, read_replaced: ReadReplaced) -> int | None:
    """Carry over all effects that the copy lacks and return their number; None if they cannot be read.

    All keys are compared, because no instant separates them: the clock may have been put back.
    """
    number, key = 0, ""
    while (rows := read_replaced("list_effects_by_key", (key, _PAGE))) is not None:
        effects = EFFECT.read_all(rows)
        number += carry_effects(tx, effects)
        if len(effects) < _PAGE:
            return number
        key = effects[-1].key
    return None


def _changes_as_data(operations: Rows) -> str:
    names = ("at", "actor", "verb", "subject", "reason")
    return msgspec.json.encode([dict(zip(names, operation, strict=True)) for operation in operations]).decode()


def _archive(store: Path, now: int) -> Path | None:
    """Link the old store under a second name, after its log was written into it."""
    if not store.exists():
        return None
    log = store.with_name(f"{store.name}-wal")
    archive_path = store.with_name(f"{store.name}.before-{now}")
    archived_log = archive_path.with_name(f"{archive_path.name}-wal")
    os.link(store, archive_path)
    if log.exists():
        os.link(log, archived_log)  # before SQLite opens it: closing a damaged file may remove its log
    try:
        connection = connect(store, create=False)
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        connection.close(True)
    except (StoreError, apsw.Error):
        log.unlink(missing_ok=True)  # archived beside the damaged file; the new one must not find it
    else:
        archived_log.unlink(missing_ok=True)
    if log.exists() and log.stat().st_size:
        archive_path.unlink()
        raise StoreHeldError(f"another program still uses the store\nat {store}", hint="End it (a database shell?).")
    for end in ("-wal", "-shm"):
        store.with_name(store.name + end).unlink(missing_ok=True)
    return archive_path

"""Putting a backup in the place of a store.

The restored store is *held*: nothing starts until the runs that were unfinished then are decided. What the replaced store may have done
since the backup is set aside (see lost_interval).

The old file is kept aside. At every moment there is one whole store under the store's name: the old one or the new one, never the new file
with the old one's log.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import NotFoundError, StoreError, StoreHeldError, StoreReadOnlyError
from mainspring.store.maintenance.lost_interval import LostIntervalResult, decides_what_starts, put_on_hold
from mainspring.store.restore_hold import LOST_CHANGES
from mainspring.store.sqlite.backup import copy_store, sync, verify
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.damage import clear_damage_note
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.fair_write_lock import FairWriteLock
from mainspring.store.sqlite.migrate import migrate
from mainspring.store.sqlite.move_endpoint import refuse_if_used
from mainspring.store.sqlite.store_mark import mark_of
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.sqlite.transaction import SqliteTransaction
from mainspring.store.write.sessions import bury_all

OperationRows = list[tuple[Any, ...]]
MOST_ACTS = 100_000


class RestoreResult(msgspec.Struct, frozen=True):
    """What was done: the rows by table of the backup, where the old store is kept (None = there was none), runs to be decided, and what was
    set aside since it may have been done after the backup.
    """

    rows: dict[str, int]
    kept: Path | str | None
    unfinished: int
    aside: LostIntervalResult = LostIntervalResult()


def restore(backup: Path, store: Path, *, clock: Clock) -> RestoreResult:
    """Replace the store by a backup, held.

    Raises:
        StoreHeldError: a process still uses the store.
        StoreError: the backup is not good; the store is as it was.
    """
    rows = verify(backup)
    turnstile = FairWriteLock(store)
    part = store.with_name(f"{store.name}.restoring")
    try:
        with turnstile:
            refuse_if_used(store)
            copy_store(backup, part, store=store)
            unfinished, aside = hold_store(part, backup, clock, lambda seq: _acts_after(store, seq))
            kept = _keep_aside(store, clock.now())
            part.replace(store)
            sync(store.parent)
            mark_of(store).unlink(missing_ok=True)  # of the store that was replaced, as its id says too
            clear_damage_note(store)
    except OSError as error:
        raise StoreReadOnlyError(f"the store cannot be replaced\nat {store}: {error}") from error
    finally:
        for name in (part.name, f"{part.name}-wal", f"{part.name}-shm"):
            part.with_name(name).unlink(missing_ok=True)
        turnstile.close()
    return RestoreResult(rows, kept, unfinished, aside)


def _acts_after(store: Path, seq: int) -> OperationRows | None:
    """Return the acts on record in the store that is replaced, after one of them; None where it cannot be read."""
    try:
        connection = connect(store, read_only=True)
        try:
            return connection.execute(TEXTS["list_operations_after"], (seq, MOST_ACTS)).fetchall()
        finally:
            connection.close(True)
    except (StoreError, NotFoundError, apsw.Error):
        return None


def hold_store(
    part: Path, backup: Path, clock: Clock, acts_after: Callable[[int], OperationRows | None]
) -> tuple[int, LostIntervalResult]:
    """Prepare the copy: bury the sessions it remembers, give it a new identity, set aside what may be done, hold it.

    Return the number of unfinished runs, and what was set aside. `acts_after` reads the audit log of the store that is replaced.
    """
    connection = connect(part, create=False)
    try:
        migrate(connection)
        connection.execute("begin immediate")
        tx = SqliteTransaction(connection, now=clock.now(), session=None, again=False)
        bury_all(tx)
        acts = acts_after(tx.all("find_newest_audit_number")[0][0])
        changes = None if acts is None else [act for act in acts if decides_what_starts(act[2], act[3])]
        entries = {
            "store": f"{clock.random_bits(128):032x}",
            "restored_from": str(backup),
            LOST_CHANGES: None if changes is None else _changes_as_data(changes),
        }
        aside = put_on_hold(tx, entries)
        rows = tx.all("count_unfinished_runs")
        connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    except apsw.Error as fault:
        raise translate(fault, part) or fault from fault
    finally:
        connection.close(True)
    sync(part)
    return int(rows[0][0]), aside


def _changes_as_data(acts: OperationRows) -> str:
    names = ("at", "actor", "verb", "subject", "reason")
    return msgspec.json.encode([dict(zip(names, act, strict=True)) for act in acts]).decode()


def _keep_aside(store: Path, now: int) -> Path | None:
    """Give the old store a second name, after its log was emptied into it."""
    if not store.exists():
        return None
    log = store.with_name(f"{store.name}-wal")
    kept = store.with_name(f"{store.name}.before-{now}")
    kept_log = kept.with_name(f"{kept.name}-wal")
    os.link(store, kept)
    if log.exists():
        os.link(log, kept_log)  # before SQLite sees it: closing a damaged file may remove its log
    try:
        connection = connect(store, create=False)
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        connection.close(True)
    except (StoreError, apsw.Error):
        log.unlink(missing_ok=True)  # kept beside the damaged file; the new one must not find it
    else:
        kept_log.unlink(missing_ok=True)
    if log.exists() and log.stat().st_size:
        kept.unlink()
        raise StoreHeldError(f"another program still uses the store\nat {store}", hint="End it (a database shell?).")
    for end in ("-wal", "-shm"):
        store.with_name(store.name + end).unlink(missing_ok=True)
    return kept

"""Reading a whole store and saying what is wrong with it: the file, and what must be true of its rows."""

import contextlib
import time
from pathlib import Path
from typing import Any

import apsw

from mainspring.store.audit_chain import first_break
from mainspring.store.base import StoreDamagedError
from mainspring.store.maintenance.integrity import CHAIN, RULES, IntegrityFinding
from mainspring.store.sqlite.backup import damages
from mainspring.store.sqlite.connection import connect, refuse_foreign
from mainspring.store.sqlite.damage import clear_damage_note, error_of_fault, write_damage_note
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.sqlite.migrate import require_known
from mainspring.store.sqlite.texts import TEXTS

DAMAGED = "the file is damaged: only a backup can help, see `mainspring db restore`"
_STEPS_BETWEEN_LOOKS = 10_000
LEAST_FREE = 64 * 1024 * 1024
SMALL = 16 * 1024 * 1024
"""Bytes of a file that is checked in some 40 ms."""


def check(path: Path, *, least_free: int = LEAST_FREE) -> list[IntegrityFinding]:
    """Check a store, also one in use; an empty list = nothing is wrong.

    Raises:
        StoreError: it cannot be read at all, for another reason than damage.
    """
    try:
        refuse_foreign(path)
        found = _read_all(path, least_free)
    except StoreDamagedError as error:  # so much of it that it cannot even be opened
        found = [IntegrityFinding(DAMAGED, (error.message.rpartition(": ")[2],), damaged=True)]
    damaged = next((finding for finding in found if finding.damaged), None)
    if damaged is None:
        clear_damage_note(path)
    else:
        write_damage_note(path, "; ".join(damaged.subjects[:3]))
    return found


def check_small(path: Path) -> None:
    """Check the pages of a small file, so that a process that reads a part of it knows of damage elsewhere; that is noted beside the file.

    Raises:
        StoreError: the file cannot be read, for another reason than damage.
    """
    with contextlib.suppress(FileNotFoundError, apsw.InterruptError, StoreDamagedError):  # damage is noted by now
        if path.stat().st_size <= SMALL and (damage := _damage_in(_ask(path, "pragma quick_check(3)", within_s=0.5))):
            write_damage_note(path, "; ".join(damage))


def list_tables(path: Path) -> list[str]:
    """Return the tables of a store, by name. Raises StoreError."""
    return [str(row[0]) for row in _ask(path, "select name from sqlite_schema where type = 'table' order by name")]


def check_table(path: Path, table: str, *, within_s: float) -> list[str] | None:
    """Check the pages and rows of one table; return what is wrong, None where it took longer than that. Damage is noted beside the file.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        rows = _ask(path, f'pragma quick_check("{table}")', within_s=within_s)
    except apsw.InterruptError:
        return None
    except StoreDamagedError as error:
        return [error.message.rpartition(": ")[2]]
    damage = _damage_in(rows)
    if damage:
        write_damage_note(path, "; ".join(damage[:3]))
    return damage


def _damage_in(rows: list[tuple[Any, ...]]) -> list[str]:
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _ask(path: Path, text: str, *, within_s: float = 10.0) -> list[tuple[Any, ...]]:
    connection = connect(path, read_only=True)
    try:
        until = time.monotonic() + within_s
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
        return connection.execute(text).fetchall()
    except apsw.InterruptError:
        raise
    except apsw.Error as fault:
        raise error_of_fault(fault, path) or fault from fault
    finally:
        connection.close(True)


def _read_all(path: Path, least_free: int) -> list[IntegrityFinding]:
    connection = connect(path, read_only=True)
    try:
        require_known(connection)
        if faults := damages(connection):
            # Rows of a damaged file prove nothing.
            return [IntegrityFinding(DAMAGED, tuple(faults), damaged=True)]
        connection.execute("begin")
        found = []
        for query, what in RULES.items():
            if rows := connection.execute(TEXTS[query]).fetchall():
                found.append(IntegrityFinding(what, tuple(str(row[0]) for row in rows)))
        found += _check_chain(connection)
    except apsw.Error as fault:
        raise error_of_fault(fault, path) or fault from fault
    finally:
        connection.close(True)
    if (free := free_bytes(path.parent)) < least_free:
        found.append(IntegrityFinding(f"only {free // 1024 // 1024} MiB are free on the disk of the store"))
    return found


def _check_chain(connection: apsw.Connection) -> list[IntegrityFinding]:
    """Compute the audit log's hashes again, row after row."""
    broken = first_break(connection.execute(TEXTS["read_audit_chain"], (0, -1)))
    return [] if broken is None else [IntegrityFinding(CHAIN, (f"row {broken}",))]

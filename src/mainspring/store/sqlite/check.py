"""Check of a whole store: read the file and all rows, and return the violated rules."""

import contextlib
import time
from pathlib import Path

import apsw

from mainspring.store.audit_chain import first_break
from mainspring.store.base import StoreDamagedError
from mainspring.store.maintenance.integrity import CHAIN, RULES, IntegrityFinding
from mainspring.store.schema.row import first_values
from mainspring.store.sqlite.backup import damages
from mainspring.store.sqlite.connection import connect, refuse_foreign
from mainspring.store.sqlite.damage import clear_damage_note, error_of_fault, write_damage_note
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.sqlite.migrate import require_known
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.transaction import Rows

DAMAGED = "the file is damaged: only a backup helps, see `mainspring db restore`"
_STEPS_BETWEEN_CHECKS = 10_000
LEAST_FREE = 64 * 1024 * 1024
SMALL = 16 * 1024 * 1024
"""Bytes of a file that is checked in about 40 ms."""


def check(path: Path, *, least_free: int = LEAST_FREE) -> list[IntegrityFinding]:
    """Check a store, even one in use; an empty list = no findings.

    Raises:
        StoreError: it cannot be read at all, for another reason than damage.
    """
    try:
        refuse_foreign(path)
        findings = _read_all(path, least_free)
    except StoreDamagedError as error:  # so badly that it cannot even be opened
        findings = [IntegrityFinding(DAMAGED, (error.message.rpartition(": ")[2],), damaged=True)]
    damaged = next((finding for finding in findings if finding.damaged), None)
    if damaged is None:
        clear_damage_note(path)
    else:
        write_damage_note(path, "; ".join(damaged.subjects[:3]))
    return findings


def check_small(path: Path) -> None:
    """Check the pages of a small file, so that a process that reads only a part learns of damage elsewhere; damage is
    noted beside the file.

    Raises:
        StoreError: the file cannot be read, for another reason than damage.
    """
    with contextlib.suppress(FileNotFoundError, apsw.InterruptError, StoreDamagedError):  # damage is already noted
        if path.stat().st_size <= SMALL and (damage := _damage_in(_query(path, "pragma quick_check(3)", within_s=0.5))):
            write_damage_note(path, "; ".join(damage))


def list_tables(path: Path) -> list[str]:
    """Return the names of a store's tables. Raises StoreError."""
    return first_values(_query(path, "select name from sqlite_schema where type = 'table' order by name"), str)


def check_table(path: Path, table: str, *, within_s: float) -> list[str] | None:
    """Check the pages and rows of one table; return the damage, or None after a timeout. Damage is noted beside the
    file.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        rows = _query(path, f'pragma quick_check("{table}")', within_s=within_s)
    except apsw.InterruptError:
        return None
    except StoreDamagedError as error:
        return [error.message.rpartition(": ")[2]]
    damage = _damage_in(rows)
    if damage:
        write_damage_note(path, "; ".join(damage[:3]))
    return damage


def _damage_in(rows: Rows) -> list[str]:
    return [str(damage) for (damage,) in rows if damage != "ok"]


def _query(path: Path, text: str, *, within_s: float = 10.0) -> Rows:
    connection = connect(path, read_only=True)
    try:
        deadline = time.monotonic() + within_s
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
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
        findings = []
        for query, rule in RULES.items():
            if rows := connection.execute(TEXTS[query]).fetchall():
                findings.append(IntegrityFinding(rule, tuple(str(place) for place, *_ in rows)))
        findings += _check_chain(connection)
    except apsw.Error as fault:
        raise error_of_fault(fault, path) or fault from fault
    finally:
        connection.close(True)
    if (free := free_bytes(path.parent)) < least_free:
        findings.append(IntegrityFinding(f"only {free // 1024 // 1024} MiB are free on the disk of the store"))
    return findings


def _check_chain(connection: apsw.Connection) -> list[IntegrityFinding]:
    """Verify the hash chain of the audit log, row by row."""
    broken = first_break(connection.execute(TEXTS["read_audit_chain"], (0, -1)))
    return [] if broken is None else [IntegrityFinding(CHAIN, (f"row {broken}",))]

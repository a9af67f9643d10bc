"""Reading a whole store and saying what is wrong with it: the file, and what must be true of its rows."""

from pathlib import Path

import apsw
import msgspec

from mainspring.store.base import StoreDamagedError
from mainspring.store.handlers.audit import first_break
from mainspring.store.sqlite.backup import damages
from mainspring.store.sqlite.connection import connect, refuse_foreign
from mainspring.store.sqlite.faults import translate
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.sqlite.migrate import require_known
from mainspring.store.sqlite.texts import TEXTS

DAMAGED = "the file is damaged: only a backup can help, see `mainspring db restore`"
LEAST_FREE = 64 * 1024 * 1024
_RULES = {
    "check_unended": "a run is ended without an instant, or has one without being ended",
    "check_ownerless": "a run is running without a live session, or owned without running",
    "check_stuck": "a run is marked ready but may not be claimed",
    "check_ranks": "the journal of a run has a gap",
    "check_orphans": "the journal names a run that does not exist",
    "check_holds": "a partition is held by a run that does not live",
    "check_inbox": "the inbox names a run that does not exist",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: the rule, what broke it (at most 20), and whether the file itself is damaged."""

    what: str
    subjects: tuple[str, ...] = ()
    damaged: bool = False


def check(path: Path, *, least_free: int = LEAST_FREE) -> list[Finding]:
    """Check a store, also one in use; an empty list = nothing is wrong.

    Raises:
        StoreError: it cannot be read at all, for another reason than damage.
    """
    try:
        refuse_foreign(path)
        return _read_all(path, least_free)
    except StoreDamagedError as error:  # so much of it that it cannot even be opened
        return [Finding(DAMAGED, (error.message.rpartition(": ")[2],), damaged=True)]


def _read_all(path: Path, least_free: int) -> list[Finding]:
    connection = connect(path, read_only=True)
    try:
        require_known(connection)
        if faults := damages(connection):
            # Rows of a damaged file prove nothing.
            return [Finding(DAMAGED, tuple(faults), damaged=True)]
        connection.execute("begin")
        found = []
        for query, what in _RULES.items():
            if rows := connection.execute(TEXTS[query]).fetchall():
                found.append(Finding(what, tuple(str(row[0]) for row in rows)))
        found += _check_chain(connection)
    except apsw.Error as fault:
        raise translate(fault, path) or fault from fault
    finally:
        connection.close(True)
    if (free := free_bytes(path.parent)) < least_free:
        found.append(Finding(f"only {free // 1024 // 1024} MiB are free on the disk of the store"))
    return found


def _check_chain(connection: apsw.Connection) -> list[Finding]:
    """Compute the audit log's hashes again, row after row."""
    broken = first_break(connection.execute(TEXTS["read_audit_chain"], (0, -1)))
    return [] if broken is None else [Finding("the audit log was changed or cut", (f"row {broken}",))]

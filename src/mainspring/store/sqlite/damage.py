"""Damage of a store's file, noted beside it by the process that found it.

The store may accept no commits any more, and most processes never read the damaged page.
"""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import apsw
import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.integrity.store_finding import StoreFinding, StoreFindingKind
from mainspring.store.base import StoreDamagedError
from mainspring.store.side_files import open_side_file
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.fair_write_lock import write_queue_file_of
from mainspring.store.sqlite.file_identity import identity_of

_HINT = "Restore a backup: mainspring down, then mainspring db restore FILE. To list the damage: mainspring db check"
_LONGEST = 500


class DamageNote(msgspec.Struct, frozen=True):
    """A note of damage: `what` = SQLite's message in one line; `file` = device and number of the damaged file, so that
    no other file is blamed.
    """

    at: int = 0
    what: str = "unknown damage"
    by: str = ""
    file: tuple[int, int] | None = None


def error_of_fault(fault: Exception, store: Path) -> MainspringError | None:
    """Return the error that a fault means, as error_table.translate does; damage of a file that was a store is noted
    beside it.
    """
    was_a_store = isinstance(fault, apsw.NotADBError | apsw.CorruptError) and os.path.exists(write_queue_file_of(store))  # noqa: PTH110 - no error on EACCES
    if was_a_store and isinstance(fault, apsw.NotADBError):  # something wrote over its beginning
        fault = apsw.CorruptError(str(fault))
    error = translate(fault, store)
    if was_a_store and isinstance(error, StoreDamagedError):
        write_damage_note(store, str(fault))
    return error


def write_damage_note(store: Path, message: str) -> None:
    """Write a note that a store is damaged, unless there is one. Never raises."""
    path = _note_of(store)
    if read_damage(store) is not None:
        return
    note = DamageNote(
        at=int(time.time() * 1000),
        what=" ".join(message.split())[:_LONGEST],
        by=f"process {os.getpid()} ({Path(sys.argv[0] or 'python').name}) on {socket.gethostname()}",
        file=identity_of(str(store)),
    )
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            with os.fdopen(open_side_file(part, os.O_WRONLY | os.O_TRUNC, store=store), "wb") as file:
                file.write(msgspec.json.encode(note))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_damage(store: Path) -> DamageNote | None:
    """Return the note on this file; None without one, or if it is about another file that had the same name."""
    try:
        written = _note_of(store).read_bytes()
    except OSError:
        return None
    try:
        note = msgspec.json.decode(written, type=DamageNote)
    except msgspec.DecodeError:
        note = DamageNote()
    return note if note.file in (None, identity_of(str(store))) else None


def clear_damage_note(store: Path) -> None:
    """Remove the note: the whole file was checked and is intact, or it was replaced. Never raises."""
    with contextlib.suppress(OSError):
        _note_of(store).unlink(missing_ok=True)


def damage_found(store: Path) -> list[StoreFinding]:
    """Return the note as a finding."""
    note = read_damage(store)
    if note is None:
        return []
    facts: dict[str, object] = {"what": note.what, "found_by": note.by, "found_at": note.at}
    text = f"the store's file is damaged: {note.what}"
    return [StoreFinding(kind=StoreFindingKind.DAMAGED, text=text, since_at=note.at, hint=_HINT, facts=facts)]


def _note_of(store: Path) -> Path:
    return store.with_name(f"{store.name}.damaged")

"""Commit marks of a host: one file for each process that commits on a server, beside the locks of its sessions.

They outlive their processes: the next process that opens the store compares them with it.
"""

import contextlib
from pathlib import Path

import psycopg

from mainspring.store.commit_mark import CommitMark, MarkFile, read_mark
from mainspring.store.postgres.connection import ServerConnection
from mainspring.store.side_files import make_side_folder
from mainspring.store.write.retention import WRITERS_STORED_MS

COMPARED_FOR_MS = WRITERS_STORED_MS - 24 * 3_600_000
"""An older mark is no proof: the store may have forgotten its writer."""
_STORED_MS = 3_600_000
"""How long a mark that was not above the store is stored: a standby that lags more than this goes unnoticed."""
_SERVER = "select system_identifier::text, pg_walfile_name(pg_current_wal_insert_lsn()) from pg_control_system()"


class HostMarks:
    """The marks in `folder`; None = no folder: a process then knows only its own commits, as long as it lives."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: MarkFile | None = None

    def read(self) -> list[tuple[CommitMark, str]]:
        """Return all marks with their places."""
        if self._folder is None:
            return []
        return [(mark, str(path)) for path in self._paths() if (mark := read_mark(path)) is not None]

    def compared(self, now: int, own: CommitMark | None = None) -> list[tuple[CommitMark, str]]:
        """Return the marks that can be a proof, and the one of this process."""
        marks = [*self.read(), *([(own, "this process")] if own is not None else [])]
        return [(mark, where) for mark, where in marks if mark.at > now - COMPARED_FOR_MS]

    def keep(self, mark: CommitMark) -> None:
        """Write the mark of a completed commit."""
        if self._folder is None:
            return
        if self._file is None:
            with contextlib.suppress(OSError):
                make_side_folder(self._folder)
            without = "a store that goes back in time, except by processes that live through it,"
            self._file = MarkFile(self._folder / f"{mark.writer}.mark", without=without)
        self._file.write(mark)

    def tidy(self, now: int) -> None:
        """Remove old marks, which were compared."""
        for path in self._paths():
            mark = read_mark(path)
            if mark is None or mark.at < now - _STORED_MS:
                with contextlib.suppress(OSError):
                    path.unlink()

    def check_file(self) -> None:
        """Notice a removed mark of this process; its next commit writes it again."""
        if self._file is not None:
            self._file.reopen_if_removed()

    def close(self) -> None:
        """Close the file of this process's mark, which stays."""
        if self._file is not None:
            self._file.close()

    def _paths(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return sorted(self._folder.glob("*.mark")) if self._folder is not None else []
        return []


def server_of(connection: ServerConnection) -> str:
    """Return the server's identity for people: system id and timeline; "" if it does not report them."""
    try:
        row = connection.execute(_SERVER).fetchone()
    except psycopg.Error:
        return ""
    if row is None:
        return ""
    system, wal_file = row
    return f"{system} timeline {int(wal_file[:8], 16)}"

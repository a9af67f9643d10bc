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
"""A mark that is older is no proof: the store may have forgotten its writer."""
_KEPT_MS = 3_600_000
"""A mark that was compared and found below the store is kept for so long: a standby that follows by as much is not noticed."""
_SERVER = "select system_identifier::text, pg_walfile_name(pg_current_wal_insert_lsn()) from pg_control_system()"


class HostMarks:
    """`folder` = where they lie; None = nowhere: a process then knows its own commits alone, and as long as it lives."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: MarkFile | None = None

    def read(self) -> list[tuple[CommitMark, str]]:
        """Return all of them, each with its place."""
        if self._folder is None:
            return []
        return [(mark, str(path)) for path in self._paths() if (mark := read_mark(path)) is not None]

    def compared(self, now: int, own: CommitMark | None = None) -> list[tuple[CommitMark, str]]:
        """Return those that can prove something, and the one of this process."""
        marks = [*self.read(), *([(own, "this process")] if own is not None else [])]
        return [(mark, where) for mark, where in marks if mark.at > now - COMPARED_FOR_MS]

    def keep(self, mark: CommitMark) -> None:
        """Write the mark of a commit that is known."""
        if self._folder is None:
            return
        if self._file is None:
            with contextlib.suppress(OSError):
                make_side_folder(self._folder)
            without = "a store that goes back in time, except by processes that live through it,"
            self._file = MarkFile(self._folder / f"{mark.writer}.mark", without=without)
        self._file.write(mark)

    def tidy(self, now: int) -> None:
        """Remove the marks that were compared, and are old."""
        for path in self._paths():
            mark = read_mark(path)
            if mark is None or mark.at < now - _KEPT_MS:
                with contextlib.suppress(OSError):
                    path.unlink()

    def look(self) -> None:
        """Notice that the mark of this process was removed; it is written again with its next commit."""
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
    """Return which server this is, for people: system id and timeline; "" where it does not say so."""
    try:
        row = connection.execute(_SERVER).fetchone()
    except psycopg.Error:
        return ""
    return "" if row is None else f"{row[0]} timeline {int(row[1][:8], 16)}"

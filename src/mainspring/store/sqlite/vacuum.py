"""Vacuum: return space to the disk, a little at a time, so that retention shrinks the file and no commit waits long."""

from pathlib import Path

import apsw

from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.error_table import translate
from mainspring.store.sqlite.fair_write_lock import FairWriteLock

PAGES = 512


def shrink(path: Path, pages: int = PAGES) -> int:
    """Release up to `pages` unused pages to the disk and return how many are still unused. Writers wait for one such part
    at most.

    Call it again until it returns 0 or does not get less. It uses its own connection; any thread.
    """
    write_lock = FairWriteLock(path)
    try:
        connection = connect(path, create=False)
        try:
            with write_lock:
                connection.execute("begin immediate")
                connection.execute(f"pragma incremental_vacuum({int(pages)})").fetchall()
                connection.execute("commit")
                # The file itself gets shorter when the log is written into it.
                connection.execute("pragma wal_checkpoint(passive)").fetchall()
            return int(connection.pragma("freelist_count"))
        finally:
            connection.close(True)
    except apsw.Error as fault:
        raise translate(fault, path) or fault from fault
    finally:
        write_lock.close()

"""Log readers: the processes that keep the write-ahead log from being truncated, because they hold a read mark of
SQLite's shared index.

Linux lists locks in /proc/locks. Other systems report nothing. Nothing is opened here: closing a file of SQLite's would
drop its locks.
"""

import os
import time
from pathlib import Path

import msgspec

LARGE_LOG = 64 * 1024 * 1024
_LOCKS = Path("/proc/locks")
_FIRST_MARK, _LAST_MARK = 123, 127
"""The bytes of the shared index that SQLite locks for its read marks."""
_CHECKS, _PAUSE_S = 5, 0.2
_LONGEST_NAME = 100


class LogReader(msgspec.Struct, frozen=True):
    """A process that reads, with its command line for people."""

    pid: int
    name: str


def log_size(store: Path) -> int:
    """Return the size of the write-ahead log in bytes; 0 if there is none."""
    try:
        return store.with_name(f"{store.name}-wal").stat().st_size
    except OSError:
        return 0


def lasting_readers(store: Path) -> list[LogReader]:
    """Return the processes that hold a read mark in each of several checks within a second: Mainspring's own reads are
    shorter.
    """
    pids = _readers(store)
    for _ in range(_CHECKS - 1):
        if not pids:
            return []
        time.sleep(_PAUSE_S)
        pids &= _readers(store)
    return [LogReader(pid, _name_of(pid)) for pid in sorted(pids)]


def _readers(store: Path) -> set[int]:
    try:
        index = store.with_name(f"{store.name}-shm").stat()
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    file = f"{os.major(index.st_dev):02x}:{os.minor(index.st_dev):02x}:{index.st_ino}"
    pids = set()
    for line in lines:
        # 1: POSIX  ADVISORY  READ 1234 08:01:123456 123 123; a waiting one has an arrow after the number
        words = line.split()
        if words[1:2] == ["->"] or words[3:4] != ["READ"] or words[5:6] != [file]:
            continue
        first, last = int(words[6]), _LAST_MARK if words[7] == "EOF" else int(words[7])
        if first <= _LAST_MARK and last >= _FIRST_MARK and int(words[4]) > 0:
            pids.add(int(words[4]))
    return pids


def _name_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode(errors="replace").strip()[:_LONGEST_NAME] or "?"

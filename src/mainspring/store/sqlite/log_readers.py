"""Which processes keep the write-ahead log from being emptied: those that hold a read mark of SQLite's shared index.

Linux tells of locks in /proc/locks. Elsewhere nothing is known. Nothing is opened here: closing a file of SQLite's would drop its locks.
"""

import os
import time
from pathlib import Path

import msgspec

LARGE_LOG = 64 * 1024 * 1024
_LOCKS = Path("/proc/locks")
_FIRST_MARK, _LAST_MARK = 123, 127
"""The bytes of the shared index that SQLite locks for its read marks."""
_LOOKS, _PAUSE_S = 5, 0.2
_LONGEST_NAME = 100


class LogReader(msgspec.Struct, frozen=True):
    """A process that reads, and the command line by which people know it."""

    pid: int
    name: str


def log_size(store: Path) -> int:
    """Return the size of the write-ahead log in bytes; 0 if there is none."""
    try:
        return store.with_name(f"{store.name}-wal").stat().st_size
    except OSError:
        return 0


def lasting_readers(store: Path) -> list[LogReader]:
    """Return the processes that hold a read mark at each of several looks within a second: reads of ours are over by then."""
    found = _readers(store)
    for _ in range(_LOOKS - 1):
        if not found:
            return []
        time.sleep(_PAUSE_S)
        found &= _readers(store)
    return [LogReader(pid, _name_of(pid)) for pid in sorted(found)]


def _readers(store: Path) -> set[int]:
    try:
        index = store.with_name(f"{store.name}-shm").stat()
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    file = f"{os.major(index.st_dev):02x}:{os.minor(index.st_dev):02x}:{index.st_ino}"
    found = set()
    for line in lines:
        # 1: POSIX  ADVISORY  READ 1234 08:01:123456 123 123; one that waits for it has an arrow after the number
        words = line.split()
        if words[1:2] == ["->"] or words[3:4] != ["READ"] or words[5:6] != [file]:
            continue
        first, last = int(words[6]), _LAST_MARK if words[7] == "EOF" else int(words[7])
        if first <= _LAST_MARK and last >= _FIRST_MARK and int(words[4]) > 0:
            found.add(int(words[4]))
    return found


def _name_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode(errors="replace").strip()[:_LONGEST_NAME] or "?"

"""The limit of child processes of one worker: no more than it runs at once, than memory holds, and than its configuration says."""

import os
from pathlib import Path
from typing import Final

CHILD_BYTES: Final = 40_000_000
"""What a warm child holds before it imports much of the user's code."""
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def compute_child_limit(configured: int, concurrency: int, memory: int) -> int:
    """Return the most children of a worker: min(configured, concurrency, memory / 40 MB), at least 1. `memory` in bytes."""
    return max(1, min(configured, concurrency, memory // CHILD_BYTES))


def read_memory_limit(cgroup_files: tuple[Path, ...] = _CGROUP_FILES) -> int:
    """Return how much memory this process may use: that of the machine, or of its container if that is less."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in cgroup_files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found.append(int(text))
    return min(found)

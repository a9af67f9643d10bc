"""The limit of child processes of one worker: the least of its concurrency, its memory and its configuration."""

import os
from pathlib import Path
from typing import Final

CHILD_BYTES: Final = 40_000_000
"""Memory of a warm child before it imports much user code, in bytes."""
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def compute_child_limit(configured: int, concurrency: int, memory: int) -> int:
    """Return the most children of a worker: min(configured, concurrency, memory / 40 MB), at least 1. `memory` in bytes."""
    return max(1, min(configured, concurrency, memory // CHILD_BYTES))


def read_memory_limit(cgroup_files: tuple[Path, ...] = _CGROUP_FILES) -> int:
    """Return how much memory this process may use in bytes: that of the machine, or of its container if that is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in cgroup_files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)

"""A log of steps, independent of Mainspring: one line each time the code of a step starts. The demo counts them after the kill."""

import os
from collections import Counter
from pathlib import Path

_FILE = "steps.log"


def log_step(folder: Path, step: str, file: str) -> None:
    """Write one line with a single write, because several processes write."""
    with (folder / _FILE).open("ab", buffering=0) as log:
        log.write(f"{os.getpid()}\t{step}\t{file}\n".encode())


def count_steps(folder: Path) -> Counter[tuple[str, str]]:
    """Return how often the code of each (step, file) started."""
    path = folder / _FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return Counter((step, file) for _, step, file in (line.split("\t") for line in lines))

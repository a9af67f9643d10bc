"""Samples of exhaustive cases: `make test` tries a share of them, which the commit chooses; `make torture` tries all.

The same commit tries the same cases on every machine. `TESTS_SAMPLE=COMMIT` tries those of another commit.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

ALL = bool(os.environ.get("TESTS_LONG"))
VARIABLE = "TESTS_SAMPLE"
_ROOT = Path(__file__).resolve().parent.parent
_T = TypeVar("_T")


def current_commit() -> str:
    """Return the short id of the commit, or a fixed word where there is no repository."""
    git = shutil.which("git")
    words = [git or "", "rev-parse", "--short=12", "HEAD"]
    done = git and subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done and done.returncode == 0 else "release"


def seed() -> str:
    """Return the seed of all samples of this test run."""
    return os.environ.get(VARIABLE) or current_commit()


def sample_points(name: str, count: int, *, one_in: int) -> range:
    """Return one in so many of the points 1 to `count`, as far apart as that; all of them in the long tier."""
    if ALL:
        return range(1, count + 1)
    first = random.Random(f"{seed()} {name}").randint(1, min(one_in, count))
    return range(first, count + 1, one_in)


def sample(name: str, cases: Sequence[_T], *, one_in: int) -> list[_T]:
    """Return one in so many of the cases, at least one, in their order; all of them in the long tier. `name` = that of the cases."""
    if ALL:
        return list(cases)
    count = -(-len(cases) // one_in)
    indices = random.Random(f"{seed()} {name}").sample(range(len(cases)), count)
    return [cases[index] for index in sorted(indices)]

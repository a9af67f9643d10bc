"""The names that users type and read do not change unnoticed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_names_that_users_see_are_those_on_record():
    """A change is a decision: accept it by `python scripts/surface.py --write`, and tell users in CHANGELOG.md."""
    # In a process of its own: the list of errors holds each class that is loaded.
    printed = subprocess.run([sys.executable, ROOT / "scripts/surface.py"], capture_output=True, text=True, check=True)
    now = set(printed.stdout.splitlines())
    on_record = set((ROOT / "tests/golden/surface.txt").read_text(encoding="utf-8").splitlines())
    assert {"gone": sorted(on_record - now), "new": sorted(now - on_record)} == {"gone": [], "new": []}

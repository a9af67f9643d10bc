"""One measurement = one fresh process of this interpreter: no figure pays for what another one left behind."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A side ended without a figure."""


def measure(side: str, what: str, *numbers: int, timeout: float = 900) -> dict[str, Any]:
    """Run `python -m bench.sides.SIDE WHAT NUMBERS...` in a new folder and return the JSON of its last line.

    Raises:
        Failed: it printed none.
    """
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        command = [sys.executable, "-m", f"bench.sides.{side}", what, *map(str, numbers)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "BENCH_FOLDER": folder}
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise Failed(f"{side} {what} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def pairs(what: str, count: int, *numbers: int, peer_numbers: tuple[int, ...] | None = None) -> tuple[list[Any], list[Any]]:
    """Measure ours and DBOS in turn, `count` times each, so that a busy moment of the machine meets both."""
    ours, peers = [], []
    for _ in range(count):
        ours.append(measure("ours", what, *numbers))
        peers.append(measure("dbos_side", what, *(peer_numbers or numbers)))
    return ours, peers

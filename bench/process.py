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


def command(side: str, what: str, *numbers: int) -> list[str]:
    """Return the command that measures."""
    return [sys.executable, "-m", f"bench.sides.{side}", what, *map(str, numbers)]


def environment(folder: str, url: str | None = None) -> dict[str, str]:
    """Return the environment in which a side finds the code here, and keeps its store in another folder or on a server."""
    return {
        **os.environ,
        **({"BENCH_STORE": url} if url else {}),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "PYTHONHASHSEED": "0",
        "BENCH_FOLDER": folder,
    }


def measure(
    side: str, what: str, *numbers: int, timeout: float = 900, folder: str | None = None, url: str | None = None
) -> dict[str, Any]:
    """Run `python -m bench.sides.SIDE WHAT NUMBERS...` in a new folder, or in this one, or on the server at `url`; return the JSON of its
    last line.

    Raises:
        Failed: it printed none.
    """
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as own:
        where = folder or own
        done = subprocess.run(
            command(side, what, *numbers),
            env=environment(where, url),
            cwd=where,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise Failed(f"{side} {what} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def pairs(
    what: str, count: int, *numbers: int, peer_numbers: tuple[int, ...] | None = None
) -> tuple[list[Any], list[Any]]:
    """Measure ours and DBOS in turn, `count` times each, so that a busy moment of the machine meets both."""
    ours, peers = [], []
    for _ in range(count):
        ours.append(measure("ours", what, *numbers))
        peers.append(measure("dbos_side", what, *(peer_numbers or numbers)))
    return ours, peers

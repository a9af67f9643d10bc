"""What a command costs before it does anything."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import Figure, median

REPEATS = 15


def figures() -> list[Figure]:
    """Each command in turn with its peer, so that a busy moment of the machine meets both."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        env = {**os.environ, "MAINSPRING_STORE_URL": f"sqlite:///{folder}/state.db", "XDG_STATE_HOME": folder}
        python = [sys.executable, "-c", "pass"]
        wanted = [
            ("mainspring version", [sys.executable, "-m", "mainspring", "version"], python, "python -c pass"),
            (
                "import mainspring",
                [sys.executable, "-c", "import mainspring"],
                [sys.executable, "-c", "import dbos"],
                "import dbos",
            ),
            (
                "mainspring exec -n x -- true",
                [sys.executable, "-m", "mainspring", "exec", "-n", "x", "--", "true"],
                python,
                "python -c pass",
            ),
        ]
        return [_compare(name, ours, peer, peer_name, env, folder) for name, ours, peer, peer_name in wanted]


def _compare(name: str, ours: list[str], peer: list[str], peer_name: str, env: dict[str, str], folder: str) -> Figure:
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(REPEATS + 1):
        for command, into in zip((ours, peer), took, strict=True):
            began = time.perf_counter()
            subprocess.run(command, env=env, cwd=Path(folder), stdout=subprocess.DEVNULL, check=True)
            if turn:  # the first one fills the caches
                into.append((time.perf_counter() - began) * 1000)
    note = f"at best {min(took[0]):.0f} ms"
    return Figure(name=name, unit="ms", ours=median(took[0]), peer=median(took[1]), peer_name=peer_name, note=note)

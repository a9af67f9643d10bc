"""A cached secret: the time of `ms.secret(name).reveal()` in a step, from a variable and from the encrypted file of the project."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.figure import Figure, median
from bench.process import Failed

REPEATS = 3
GOAL_US = 50
_CODE = """
import statistics, time
import mainspring as ms

@ms.task(secrets=["KEY", "FILE_KEY"])
def read(name: str) -> float:
    secret, took = ms.secret(name), []
    for _ in range(20_000):
        started = time.perf_counter_ns()
        secret.reveal()
        took.append(time.perf_counter_ns() - started)
    return statistics.median(took) / 1000

"""
_RUN = """
import mainspring as ms
app = ms.App.from_config()
print(*(app.run("read", name) for name in ("KEY", "FILE_KEY")))
"""
_CONFIG = """[project]
automations = ["jobs.py"]
[store]
url = "sqlite:///state.db"
"""


def figures() -> list[Figure]:
    """Medians of single reads."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as name:
        folder = Path(name)
        env = {**os.environ, "MAINSPRING_SECRET_KEY": "a-value-of-a-variable"}
        (folder / "mainspring.toml").write_text(_CONFIG, encoding="utf-8")
        (folder / "jobs.py").write_text(_CODE, encoding="utf-8")
        for words in (["secrets", "init"], ["secrets", "set", "FILE_KEY"]):
            _call([sys.executable, "-m", "mainspring", *words], folder, env, "a-value-of-the-file")
        runs = [_call([sys.executable, "-c", _RUN], folder, env, "").split() for _ in range(REPEATS)]
    return [
        Figure(
            name=f"read a secret in a step, {source}",
            unit="us",
            ours=median([float(run[place]) for run in runs]),
            peer=float(GOAL_US),
            peer_name="the goal",
        )
        for place, source in enumerate(("a variable", "the encrypted file"))
    ]


def _call(command: list[str], folder: Path, env: dict[str, str], text: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=env, input=text, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise Failed(f"{msgspec.json.encode(command[2:4]).decode()}: {done.stderr[-500:]}")
    return done.stdout

"""From the commit of a start by one process to the beginning of its step in another: at rest, and while runs come at a steady rate."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.process import Failed, command, environment, measure
from bench.sides.server import new_database, server

RATES = (("at rest", 60, 10), ("under load, 200 a second", 1_000, 200))
"""What it is called, how many starts, how many a second."""
PEERS = (("pgqueuer", "pgqueuer_side", 10, "pgqueuer"), ("oban-py", "oban_side", 64, "oban"))


def figures() -> list[Figure]:
    """The server notifies all of them of new work (LISTEN)."""
    found = []
    with server() as one:
        for number, (what, count, a_second) in enumerate(RATES):
            ours = _latency("ours_postgres", 64, count, a_second, new_database(one, f"ours{number}"))
            for name, side, at_once, package in PEERS:
                if find_spec(package) is None:  # oban-py wants Python 3.12
                    continue
                peer = _latency(side, at_once, count, a_second, new_database(one, f"{name}{number}"))
                found += [
                    Figure(
                        name=f"PostgreSQL: a new run is begun, {what}, p{p}",
                        unit="ms",
                        ours=_percentile(ours, p),
                        peer=_percentile(peer, p),
                        peer_name=name,
                        note=f"{count} starts",
                    )
                    for p in (50, 99)
                ]
    return found


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _latency(side: str, at_once: int, count: int, a_second: int, url: str) -> list[float]:
    """Return the milliseconds between each commit and its step."""
    if side != "ours_postgres":
        measure(side, "install", url=url)
    with worker(side, at_once, url) as process:
        process.open_gate()
        measure(side, "settle", url=url)
        committed = measure(side, "enqueue", count, a_second, url=url)["stamps"]
        measure(side, "until_empty", url=url)
        began = process.end()["stamps"]
    return [(began[number] - at) / 1e6 for number, at in committed.items()]


class Worker:
    """A worker of one side in a process of its own, which begins when its gate is opened."""

    def __init__(self, side: str, at_once: int, url: str, folder: str) -> None:
        self._gate = Path(folder, "gate")
        self._process = subprocess.Popen(
            command(side, "worker", at_once),
            env={**environment(folder, url), "BENCH_GATE": str(self._gate)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise Failed(f"the worker of {side} did not start")

    def open_gate(self) -> None:
        """Let it begin."""
        self._gate.touch()

    def end(self) -> dict[str, Any]:
        """Let it end, and return what it says."""
        said, _ = self._process.communicate("\n", timeout=60)
        found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        return found

    def kill(self) -> None:
        """End it if it has not ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def worker(side: str, at_once: int, url: str) -> Iterator[Worker]:
    """A worker that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        process = Worker(side, at_once, url, folder)
        try:
            yield process
        finally:
            process.kill()

"""A one-step run by the public API: from `App.start` to the value of `Handle.result()`, one after the other."""

import statistics
from importlib.util import find_spec
from typing import Any

from bench.figure import Figure, median
from bench.process import measure
from bench.sides.server import new_database, server

COUNT, PEER_COUNT, QUEUED = 200, 100, 8
WAITERS = 1_000
WHERE = (("same_process", "same process"), ("other_process", "other process"))


def figures() -> list[Figure]:
    """DBOS starts directly in the same process; in another process by a queue, with its own polling."""
    found = _on("SQLite")
    if find_spec("psycopg") is not None:
        with server() as one:
            found += _on("PostgreSQL", lambda name: new_database(one, name))
    return found


def _on(store: str, make: Any = lambda name: None) -> list[Figure]:
    found = []
    for what, where in WHERE:
        ours: list[float] = []
        peers: list[float] = []
        for turn in range(2):
            ours += measure("public_api", what, COUNT, url=make(f"ours_{what}_{turn}"))["ms"]
            count = PEER_COUNT if what == "same_process" else QUEUED
            peers += measure("dbos_side", f"result_{what}", count, url=make(f"dbos_{what}_{turn}"))["ms"]
        found.append(
            Figure(
                name=f"{store}: start and result of a one-step run, {where}, p50",
                unit="ms",
                ours=median(ours),
                peer=median(peers),
                peer_name="DBOS" if what == "same_process" else "DBOS, queue",
                note=f"p95 {_p95(ours):.1f}, DBOS {_p95(peers):.1f}",
            )
        )
    crowd = measure("public_api", "waiters", WAITERS, url=make("crowd"))
    found.append(
        Figure(
            name=f"{store}: {WAITERS:,} results awaited at once, CPU of the process that waits",
            unit="% of a core",
            ours=crowd["cpu_percent"],
            note=f"one more, from another process, meanwhile: p50 {median(crowd['ms']):.1f} ms",
        )
    )
    return found


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]

"""How late a run goes on after a durable sleep, where nothing else is to be done."""

import statistics
from importlib.util import find_spec

from bench.figure import Figure, median
from bench.process import measure
from bench.sides.server import new_database, server

COUNT = 40


def figures() -> list[Figure]:
    """DBOS keeps the sleeping workflow in memory; ours is suspended, and its worker claims it again when it is due."""
    found = [_on("SQLite", None, None)]
    if find_spec("psycopg") is not None:
        with server() as one:
            found.append(_on("PostgreSQL", new_database(one, "ours_wakes"), new_database(one, "dbos_wakes")))
    return found


def _on(store: str, ours_url: str | None, peer_url: str | None) -> Figure:
    ours: list[float] = measure("public_api", "wakes", COUNT, url=ours_url)["ms"]
    peer: list[float] = measure("dbos_side", "wakes", COUNT, url=peer_url)["ms"]
    return Figure(
        name=f"{store}: a run goes on after a sleep of 0.5 s, late by, p50",
        unit="ms",
        ours=median(ours),
        peer=median(peer),
        peer_name="DBOS",
        note=f"p95 {statistics.quantiles(ours, n=20)[18]:.1f}, DBOS {statistics.quantiles(peer, n=20)[18]:.1f}",
    )

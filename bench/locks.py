"""What a lock costs: acquire and release without contention, and the handover between two processes."""

from importlib.util import find_spec

from bench.figure import Figure, median, spread
from bench.process import measure
from bench.sides.server import new_database, server

COUNT = 300
HANDOVERS = 20


def figures() -> list[Figure]:
    """Through `ms.lock` in plain programs, in a file and on a server."""
    rows = _on("SQLite", None, "two bare commits")
    if find_spec("psycopg") is not None:
        with server() as one:
            rows += _on("PostgreSQL", new_database(one, "locks"), "advisory lock, sequence, unlock")
    return rows


def _on(store: str, url: str | None, peer_name: str) -> list[Figure]:
    alone = measure("locks", "uncontended", COUNT, url=url)
    passed = measure("locks", "handover", HANDOVERS, url=url)["ms"]
    return [
        Figure(
            name=f"{store}: lock, acquire and release, p50",
            unit="us",
            ours=median(alone["ours_us"]),
            peer=median(alone["peer_us"]),
            peer_name=peer_name,
        ),
        Figure(
            name=f"{store}: lock, handover to another process, p50",
            unit="ms",
            ours=median(passed),
            note=spread(passed, "ms"),
        ),
    ]

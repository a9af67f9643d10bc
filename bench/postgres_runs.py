"""Runs of one step a second on PostgreSQL, from the claim to the committed result: they lie ready, and one worker takes them."""

from importlib.util import find_spec
from typing import Any

from bench.figure import Figure, median, spread
from bench.process import measure
from bench.sides.server import new_database, server

REPEATS = 3
RUNS = 30_000
IN_FLIGHT = 1_000
"""Ours at a time, the best of those tried."""
PEERS = (
    ("pgqueuer", "pgqueuer_side", RUNS, 500, "acknowledges from memory, 500 together or each 0.1 s; what ended is lost to it in a crash"),
    ("oban-py", "oban_side", 10_000, 500, "acknowledges from memory at the next fetch; what ended is lost to it in a crash"),
    ("procrastinate", "procrastinate_side", 1_000, 50, "acknowledges each by itself, before it takes another"),
)  # fmt: skip
"""Name, side, runs, how many at a time (the best of those tried), and how its acknowledgement comes to the disk."""

PACKAGES = {"pgqueuer": "pgqueuer", "oban-py": "oban", "procrastinate": "procrastinate"}


def figures() -> list[Figure]:
    """Ours keeps the result and the history of each run; the queues keep that it was done."""
    ours: list[dict[str, Any]] = []
    peers: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in PEERS}
    with server() as found:
        for n in range(REPEATS):
            ours.append(measure("ours_postgres", "staged", RUNS, IN_FLIGHT, url=new_database(found, f"ours{n}")))
            for name, side, runs, at_once, _ in PEERS:
                if find_spec(PACKAGES[name]) is None:  # oban-py wants Python 3.12
                    continue
                peers[name].append(measure(side, "staged", runs, at_once, url=new_database(found, f"{name}{n}")))
    return [_beside(ours, name, peers[name], how) for name, *_, how in PEERS if peers[name]]


def _beside(ours: list[dict[str, Any]], name: str, peer: list[dict[str, Any]], how: str) -> Figure:
    rates = [m["units"] / m["took_s"] for m in ours]
    return Figure(
        name="PostgreSQL: one-step runs, claim to committed result",
        unit="runs/s",
        ours=median(rates),
        peer=median([m["units"] / m["took_s"] for m in peer]),
        peer_name=name,
        more=True,
        note=f"{spread(rates)}; ours {_cost(ours)}, answered after its commit; {name} {_cost(peer)}, {how}",
    )


def _cost(found: list[dict[str, Any]]) -> str:
    own, server_s = (median([m[key] / m["units"] for m in found]) for key in ("cpu_s", "server_cpu_s"))
    return f"{own * 1e6:,.0f} + {server_s * 1e6:,.0f} us of CPU (worker + server) a run"

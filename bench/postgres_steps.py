"""Durable steps a second on PostgreSQL: 10-step workflows, 64 in flight, starts included; one server that keeps what it acknowledges."""

from bench.figure import Figure, median, spread
from bench.process import measure
from bench.sides.server import new_database, server

REPEATS = 3


def figures() -> list[Figure]:
    """DBOS gets 64 connections; its workflows are started directly, which is faster than through its queues."""
    ours, peers = [], []
    with server() as found:
        for n in range(REPEATS):
            ours.append(measure("ours_postgres", "steps", 1_000, 10, url=new_database(found, f"ours{n}")))
            peers.append(measure("dbos_side", "server_steps", 64, 10, url=new_database(found, f"dbos{n}")))
    rates = [m["units"] / m["took_s"] for m in ours]
    return [
        Figure(
            name="PostgreSQL: durable steps, 64 in flight",
            unit="steps/s",
            ours=median(rates),
            peer=median([m["units"] / m["took_s"] for m in peers]),
            peer_name="DBOS",
            more=True,
            note=f"{spread(rates)}; {_cost(ours)}; DBOS {_cost(peers)}",
        )
    ]


def _cost(found: list[dict[str, float]]) -> str:
    """Return what a step cost, for a note."""
    own, server_s, wal, size = (
        median([m[key] / m[by] for m in found])
        for key, by in (("cpu_s", "units"), ("server_cpu_s", "units"), ("wal_bytes", "units"), ("units", "commits"))
    )
    return f"{own * 1e6:,.0f} + {server_s * 1e6:,.0f} us of CPU (worker + server) and {wal:,.0f} bytes of WAL a step, {size:.2g} a commit"

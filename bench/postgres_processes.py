"""Four worker processes against one, on one PostgreSQL server: one-step runs that lie ready."""

import time
from contextlib import ExitStack

from bench.figure import Figure, median, spread
from bench.postgres_latency import worker
from bench.process import measure
from bench.sides.server import new_database, server

REPEATS = 2
RUNS, IN_FLIGHT = 10_000, 256


def figures() -> list[Figure]:
    """What more processes gain hangs on the cores that the server leaves them."""
    rates: dict[int, list[float]] = {1: [], 4: []}
    with server() as found:
        for n in range(REPEATS):
            for processes, measured in rates.items():
                measured.append(_rate(new_database(found, f"of{processes}x{n}"), processes))
    return [
        Figure(
            name="PostgreSQL: one-step runs by 4 worker processes",
            unit="runs/s",
            ours=median(rates[4]),
            peer=median(rates[1]),
            peer_name="1 process",
            more=True,
            note=f"{spread(rates[4])}; 1 process: {spread(rates[1])}",
        )
    ]


def _rate(url: str, processes: int) -> float:
    measure("ours_postgres", "stage", RUNS, url=url)
    with ExitStack() as stack:
        workers = [stack.enter_context(worker("ours_postgres", IN_FLIGHT, url)) for _ in range(processes)]
        began = time.perf_counter()
        for one in workers:
            one.open_gate()
        measure("ours_postgres", "until_done", RUNS, url=url)
        return RUNS / (time.perf_counter() - began)

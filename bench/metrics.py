"""What metrics cost: steps a second as in `steps`, while a web process is asked for all metrics each second, and without one."""

from bench.figure import Figure, median, spread
from bench.process import measure

REPEATS, RUNS, STEPS = 3, 10_000, 10


def figures() -> list[Figure]:
    """In turn, so that a busy moment of the machine meets both; long enough for several readings."""
    on, off, took_s = [], [], []
    for _ in range(REPEATS):
        off.append(measure("ours", "steps", RUNS, STEPS)["per_s"])
        found = measure("ours", "steps_scraped", RUNS, STEPS)
        on.append(found["per_s"])
        took_s += found["scrapes_s"]
    readings = f"{len(took_s)} readings, the longest {max(took_s, default=0.0) * 1_000:,.0f} ms"
    return [
        Figure(
            name="metrics read each second",
            unit="steps/s",
            ours=median(on),
            peer=median(off),
            peer_name="ours, no web process",
            more=True,
            note=f"{spread(on)}; {readings}",
        )
    ]

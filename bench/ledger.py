"""The ledger pair: the intent and the outcome of `ms.once` in each step, next to the same steps without it, on SQLite."""

from bench.figure import Figure, median, spread
from bench.process import measure

REPEATS = 3


def figures() -> list[Figure]:
    """64 runs in flight, whose pairs share commits, and one run alone, whose pairs do not."""
    found = []
    for in_flight, runs, count in ((64, 400, 10), (1, 1, 1_000)):
        with_once, without = [], []
        for _ in range(REPEATS):
            with_once.append(measure("ours", "once_steps", runs, count))
            without.append(measure("ours", "steps", runs, count))
        rates = [m["per_s"] for m in with_once]
        cpu = [median([m["cpu_us"] for m in side]) for side in (with_once, without)]
        found.append(
            Figure(
                name=f"steps with a ledger pair, {in_flight} in flight",
                unit="steps/s",
                ours=median(rates),
                peer=median([m["per_s"] for m in without]),
                peer_name="the same steps without ms.once",
                more=True,
                note=f"{spread(rates)}; {cpu[0]:.0f} us of CPU a step, without {cpu[1]:.0f}",
            )
        )
    return found

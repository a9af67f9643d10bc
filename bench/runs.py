"""Runs of one step a second: start, claim, step, result."""

from bench.figure import Figure, median, spread
from bench.process import pairs

REPEATS = 3


def figures() -> list[Figure]:
    """The smallest run there is."""
    ours, peers = pairs("steps", REPEATS, 5_000, 1, peer_numbers=(256, 1))
    rates = [m["runs_per_s"] for m in ours]
    return [
        Figure(
            name="one-step runs, start to result",
            unit="runs/s",
            ours=median(rates),
            peer=median([m["runs_per_s"] for m in peers]),
            peer_name="DBOS",
            more=True,
            note=spread(rates),
        )
    ]

"""Durable steps a second: 10-step workflows, 64 in flight, SQLite with synchronous=FULL on both sides, starts included."""

from bench.figure import Figure, median, spread
from bench.process import pairs

REPEATS = 3


def figures() -> list[Figure]:
    """Coroutine steps and plain functions."""
    found = []
    for what, kind in (("steps", "async def"), ("plain_steps", "def, in threads")):
        ours, peers = pairs(what, REPEATS, 1_000, 10, peer_numbers=(64, 10))
        rates = [m["per_s"] for m in ours]
        cpu = median([m["cpu_us"] for m in ours])
        found.append(
            Figure(
                name=f"durable steps, 64 in flight ({kind})",
                unit="steps/s",
                ours=median(rates),
                peer=median([m["per_s"] for m in peers]),
                peer_name="DBOS",
                more=True,
                note=f"{spread(rates)}; {cpu:.0f} us of CPU a step, DBOS {median([m['cpu_us'] for m in peers]):,.0f}",
            )
        )
    return found

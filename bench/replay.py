"""A run of 100,000 saved steps is continued: history read, function called again."""

from bench.figure import Figure, median
from bench.process import measure

STEPS, PEER_STEPS, REPEATS = 100_000, 500, 3


def figures() -> list[Figure]:
    """DBOS asks its database for each step again; it gets fewer of them."""
    ours = [measure("ours", "replay", STEPS) for _ in range(REPEATS)]
    peer = measure("dbos_side", "replay", PEER_STEPS)
    read_s, replay_s = (median([m[key] for m in ours]) for key in ("read_s", "replay_s"))
    forked = f"DBOS: fork of {PEER_STEPS} steps {peer['us'] * PEER_STEPS / 1e6:.1f} s, its queue's wait included"
    code_us = replay_s / STEPS * 1e6
    note = f"{read_s + replay_s:.2f} s: read {read_s:.2f}, code {replay_s:.2f} = {code_us:.1f} us/step; {forked}"
    return [
        Figure(
            name=f"a run of {STEPS:,} steps replayed",
            unit="us/step",
            ours=median([m["us"] for m in ours]),
            # No ratio: a fork waits for DBOS's queue to be looked at, which with so few steps is most of its time.
            note=note,
        )
    ]

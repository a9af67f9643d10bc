"""A round of all monitors over ten thousand automations with their history, and the memory of who looks."""

import tempfile

from bench.figure import Figure
from bench.process import measure

AUTOMATIONS, DAYS = 10_000, 8


def figures() -> list[Figure]:
    """Facts read and judged; each round also reads the history of some hundred automations until it knows all."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        took = measure("monitoring", "round", AUTOMATIONS, DAYS, timeout=1_800, folder=folder)
        full = measure("monitoring", "memory", AUTOMATIONS, folder=folder)
    empty = measure("monitoring", "memory", 0)
    return [
        Figure(
            name=f"a round of all monitors, {AUTOMATIONS:,} automations",
            unit="ms",
            ours=took["ms"],
            note=f"the first after a start {took['first_ms']:,.0f} ms, the longest of the others {took['worst_ms']:,.0f} ms",
        ),
        Figure(
            name=f"watcher memory over {AUTOMATIONS:,} automations",
            unit="MiB",
            ours=full["rss_mb"],
            peer=empty["rss_mb"],
            peer_name="an empty store",
            note=f"the most of {full['looks']} looks, until it knows all history",
        ),
    ]

"""Runs that wait: 100,000 of them, or a million with BIG=1."""

import os
import tempfile

from bench.figure import Figure
from bench.process import measure


def figures() -> list[Figure]:
    """Memory beside that of a worker of an empty store, and the time in which a worker looks for what is due."""
    count = 1_000_000 if os.environ.get("BIG") == "1" else 100_000
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        made = measure("ours", "wait_many", count, timeout=3_600, folder=folder)
        full = measure("ours", "idle", folder=folder)
    empty = measure("ours", "idle")
    return [
        Figure(
            name=f"worker memory beside {count:,} waiting runs",
            unit="MiB",
            ours=full["rss_mb"],
            peer=empty["rss_mb"],
            peer_name="an empty store",
            note=f"{made['bytes'] / count:,.0f} bytes of disk a run; made in {made['made_s']:.0f} s",
        ),
        Figure(
            name=f"looking for due ones among {count:,}",
            unit="ms",
            ours=made["scan_ms"],
            note="one claim, with its commit",
        ),
    ]

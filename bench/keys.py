"""A line of one key beside a thousand keys of one run each: 100,000 runs in line, or a million with BIG=1."""

import os
import statistics
import tempfile
from importlib.util import find_spec
from typing import Any

from bench.figure import Figure, median
from bench.process import measure
from bench.sides.server import new_database, server

KEYS, CLAIMS = 1_000, 400


def figures() -> list[Figure]:
    """Claims beside those of a store without the line: no peer here has limits by key."""
    count = 1_000_000 if os.environ.get("BIG") == "1" else 100_000
    prefix = "mainspring-bench-"
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, tempfile.TemporaryDirectory(prefix=prefix) as alone:
        found = _on("SQLite", count, {"folder": folder}, {"folder": alone})
    if find_spec("psycopg") is not None:
        with server() as one:
            found += _on("PostgreSQL", count, {"url": new_database(one, "keys")}, {"url": new_database(one, "empty")})
    return found


def _on(store: str, count: int, place: dict[str, Any], empty: dict[str, Any]) -> list[Figure]:
    filled = measure("keys", "fill", count, timeout=3_600, **place)
    begun = measure("keys", "small_keys", KEYS, **place)["ms"]
    claims = measure("keys", "claims", KEYS, CLAIMS, **place)
    begun_alone = measure("keys", "small_keys", KEYS, **empty)["ms"]
    alone = measure("keys", "claims", KEYS, CLAIMS, **empty)
    return [
        Figure(
            name=f"{store}: runs of {KEYS:,} keys begin beside {count:,} in line of one key, p99",
            unit="ms",
            ours=_p99(begun),
            peer=_p99(begun_alone),
            peer_name="without the line",
            note=f"64 at a time; p50 {median(begun):.0f}, largest {max(begun):.0f}; filled in {filled['s']:.0f} s",
        ),
        Figure(
            name=f"{store}: claim of one run beside {count:,} in line of one key, p99",
            unit="ms",
            ours=_p99(claims["claim_ms"]),
            peer=_p99(alone["claim_ms"]),
            peer_name="without the line",
            note=f"with its commit; p50 {median(claims['claim_ms']):.2f}; end of a run of the key, p50 {median(claims['end_ms']):.2f}",
        ),
    ]


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]

"""Totals of each automation: starts, ends, steps, latency, sizes, reasons. Nothing is forgotten, so they never decrease."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from mainspring.store.base import StoreReader

Counts = Counter[tuple[str, str]]
"""By automation and what was counted: a word of `COUNTED`, or what a detail is called ("ms<=2^k", "bytes<=2^k", "reason:...")."""

COUNTED = ("started", "succeeded", "failed", "cancelled", "attention", "steps", "step_errors", "took_ms")


def counted(reader: StoreReader, since_at: int, until_at: int) -> tuple[Counts, Counts]:
    """Return what was counted from one whole hour to another, and from there on, both of the same instant."""
    with reader.snapshot() as read:
        later = _counts(read, until_at)
        whole = _counts(read, since_at) if since_at < until_at else later
    return whole - later, later


def _counts(read: Callable[..., Iterable[tuple[Any, ...]]], since_at: int) -> Counts:
    found: Counts = Counter()
    for automation, *sums, _ in read("sum_rollups", (since_at,)):
        for what, n in zip(COUNTED, sums, strict=True):
            found[automation, what] = int(n)
    for automation, what, n in read("sum_rollup_details", (since_at,)):
        found[automation, what] = int(n)
    return found

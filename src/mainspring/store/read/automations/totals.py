"""Totals of each automation: starts, ends, steps, latency, sizes, reasons. Nothing is deleted from them, so they never
decrease.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from mainspring.store.base import StoreReader
from mainspring.store.transaction import Row

Counts = Counter[tuple[str, str]]
"""By automation and name of the count: a word of `COUNTED`, or the name of a detail ("ms<=2^k", "bytes<=2^k",
"reason:...").
"""

COUNTED = ("started", "succeeded", "failed", "cancelled", "attention", "steps", "step_errors", "duration_ms")


def counted(reader: StoreReader, since_at: int, until_at: int) -> tuple[Counts, Counts]:
    """Return the counts from one full hour to another, and from there on, both as of one commit."""
    with reader.snapshot() as read:
        later = _counts(read, until_at)
        whole = _counts(read, since_at) if since_at < until_at else later
    return whole - later, later


def _counts(read: Callable[..., Iterable[Row]], since_at: int) -> Counts:
    counts: Counts = Counter()
    for automation, *sums, _ in read("sum_rollups", (since_at,)):
        for name, n in zip(COUNTED, sums, strict=True):
            counts[automation, name] = int(n)
    for automation, name, n in read("sum_rollup_details", (since_at,)):
        counts[automation, name] = int(n)
    return counts

"""Quantiles of durations counted by powers of two: a run in bucket k took at most 2^k ms, and more than half of that.

So they are estimates, true to a factor of two; with the runs themselves `exact_quantile` is better.
"""

from collections.abc import Iterable, Mapping


def estimate_quantile(buckets: Mapping[int, int], share: float) -> int | None:
    """Return the quantile in ms, as if a bucket were filled evenly; None = none were counted."""
    target, counted = share * sum(buckets.values()), 0
    for k, n in sorted(buckets.items()):
        if n and counted + n >= target:
            inside = min(max((target - counted) / n, 0.0), 1.0)
            return round(2 ** (k - 1 + inside)) if k else 1
        counted += n
    return None


def merge_buckets(all_of_them: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sum of several counts."""
    found: dict[int, int] = {}
    for buckets in all_of_them:
        for k, n in buckets.items():
            found[k] = found.get(k, 0) + n
    return found


def exact_quantile(durations: Iterable[int], share: float) -> int | None:
    """Return the duration (ms) at this share of all, from the shortest; None if there is none."""
    ordered = sorted(durations)
    if not ordered:
        return None
    place = max(-(-len(ordered) * share // 1) - 1, 0)
    return ordered[min(int(place), len(ordered) - 1)]

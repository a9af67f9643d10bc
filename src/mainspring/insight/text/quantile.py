"""Quantiles of durations that were counted by powers of two: a run in the bucket k took at most 2^k ms, and more than half of that.

So what is told of them is an estimate, true to a factor of two; where the runs themselves are at hand `exact` is better.
"""

from collections.abc import Iterable, Mapping


def estimate_quantile(buckets: Mapping[int, int], share: float) -> int | None:
    """Return the ms that this share of the runs took at most, as if a bucket were filled evenly; None = none were counted."""
    wanted, place = share * sum(buckets.values()), 0
    for k, n in sorted(buckets.items()):
        if n and place + n >= wanted:
            inside = min(max((wanted - place) / n, 0.0), 1.0)
            return round(2 ** (k - 1 + inside)) if k else 1
        place += n
    return None


def merge_buckets(all_of_them: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return several counts as one."""
    found: dict[int, int] = {}
    for buckets in all_of_them:
        for k, n in buckets.items():
            found[k] = found.get(k, 0) + n
    return found


def exact_quantile(took: Iterable[int], share: float) -> int | None:
    """Return the duration (ms) of the run that stands at this share of all, from the shortest; None where there is none."""
    ordered = sorted(took)
    if not ordered:
        return None
    place = max(-(-len(ordered) * share // 1) - 1, 0)
    return ordered[min(int(place), len(ordered) - 1)]

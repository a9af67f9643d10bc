"""Histogram of values, for running quantiles: a mapping from buckets to counts that a store can keep as JSON. Pure.

A bucket is a whole number that rises with the value, and is 3 to 6 % wide. It is computed without rounding, so each
machine finds the same.
"""

import math
from collections.abc import Mapping

_BUCKETS_PER_DOUBLING = 16
_EXPONENT_OFFSET = 1100
"""Makes the bucket of each positive number positive: the smallest exponent of a float is -1073."""
ENDLESS_BUCKET = 1 << 20
"""The bucket of a run that has not ended: above each number."""


def find_bucket(value: float) -> int:
    """Return the bucket of a finite number, or of infinity."""
    if value == 0:
        return 0
    if math.isinf(value):
        return ENDLESS_BUCKET if value > 0 else -ENDLESS_BUCKET
    mantissa, exponent = math.frexp(abs(value))
    place = int((mantissa - 0.5) * 2 * _BUCKETS_PER_DOUBLING)
    bucket = (exponent + _EXPONENT_OFFSET) * _BUCKETS_PER_DOUBLING + place
    return bucket if value > 0 else -bucket


def find_quantile(histogram: Mapping[int, int], percent: int) -> int:
    """Return the lowest bucket that has, with those below it, at least `percent` of a histogram that is not empty."""
    missing = sum(histogram.values()) * percent
    for bucket in sorted(histogram):
        missing -= histogram[bucket] * 100
        if missing <= 0:
            return bucket
    raise ValueError("an empty histogram has no quantile")

"""Buckets of numbers: in their order, and narrow enough; quantiles of a histogram."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.rollouts.value_histogram import ENDLESS_BUCKET, find_bucket, find_quantile

NUMBERS = st.floats(allow_nan=False)


@given(low=NUMBERS, high=NUMBERS)
def test_buckets_rise_with_numbers(low, high):
    """For all numbers: negative, zero, tiny and infinite."""
    low, high = sorted((low, high))
    assert find_bucket(low) <= find_bucket(high)
    assert find_bucket(low) == -find_bucket(-low)


@given(value=st.floats(1e-300, 1e300))
def test_buckets_are_narrow(value):
    """Numbers of one bucket differ by at most 6.25 %, and each has a bucket below that of a run that never ends."""
    assert find_bucket(value) < find_bucket(value * 1.07)
    assert find_bucket(value) < ENDLESS_BUCKET == find_bucket(math.inf)


@given(values=st.lists(st.integers(0, 10_000), min_size=1), percent=st.sampled_from([50, 95]))
def test_quantile_is_that_of_the_sorted_numbers(values, percent):
    """The lowest number that has, with all below it, the percentage."""
    histogram = Counter(map(find_bucket, values))
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert find_quantile(histogram, percent) == find_bucket(exact)


def test_empty_histogram_has_no_quantile():
    """The caller counts first."""
    with pytest.raises(ValueError, match="empty"):
        find_quantile({}, 50)

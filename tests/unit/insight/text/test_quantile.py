"""Quantiles: of durations themselves, and of their counts by powers of two."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.text import quantile
from mainspring.store.run_end_counts import bucket_of

durations = st.lists(st.integers(1, 10**9), min_size=1, max_size=60)


def counted(ms):
    found = {}
    for name in ms:
        k = int(bucket_of(name).removeprefix("ms<=2^"))
        found[k] = found.get(k, 0) + 1
    return found


@given(durations, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_estimate_is_true_to_a_factor_of_two(ms, share):
    """Whatever the durations are."""
    exact, about = quantile.exact_quantile(ms, share), quantile.estimate_quantile(counted(ms), share)
    assert exact / 2 - 1 <= about <= exact * 2 + 1


@given(durations)
def test_larger_share_took_no_less(ms):
    """A quantile never goes down."""
    buckets = counted(ms)
    found = [quantile.estimate_quantile(buckets, share / 20) for share in range(1, 21)]
    assert found == sorted(found)


@given(st.lists(durations, min_size=1, max_size=4))
def test_merged_counts_are_those_of_all(several):
    """In whatever parts they were counted."""
    assert quantile.merge_buckets(map(counted, several)) == counted([value for each in several for value in each])


def test_empty_counts_have_no_quantile():
    """No quantile of no runs; of one it is that one, of two the lower one is the median."""
    assert quantile.estimate_quantile({}, 0.5) is None
    assert quantile.exact_quantile([], 0.5) is None
    assert quantile.exact_quantile([7], 0.95) == 7
    assert quantile.exact_quantile([9, 7], 0.5) == 7
    assert quantile.exact_quantile(range(1, 101), 0.95) == 95

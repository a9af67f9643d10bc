"""Wilson intervals against the table of Newcombe (1998)."""

import pytest

from mainspring.insight.rollouts.wilson_interval import compute_wilson_interval


@pytest.mark.parametrize(
    ("bad", "runs", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_agrees_with_the_published_table(bad, runs, low, high):
    """Method 3 of table I, to four digits."""
    assert compute_wilson_interval(bad, runs) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("bad", "runs"), [(0, 1), (1, 1), (0, 10_000), (10_000, 10_000), (3, 40)])
def test_interval_is_in_bounds_and_symmetrical(bad, runs):
    """The interval of good runs is that of bad ones, reversed; it contains the rate."""
    low, high = compute_wilson_interval(bad, runs)
    assert 0 <= low <= bad / runs <= high <= 1
    assert compute_wilson_interval(runs - bad, runs) == pytest.approx((1 - high, 1 - low))


def test_interval_ends_exactly_at_0_and_1():
    """Whatever the number of runs is."""
    for runs in range(1, 300):
        assert compute_wilson_interval(0, runs)[0] == 0
        assert compute_wilson_interval(runs, runs)[1] == 1


def test_interval_of_no_runs_is_none():
    """There is no rate."""
    assert compute_wilson_interval(0, 0) is None

"""E-values: no bet gains on average if its hypothesis is true, by enumeration of all that can happen."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.rollouts.e_value import (
    Comparison,
    add_run,
    find_level,
    find_not_worse_factors,
    list_worse_factors,
)

SHARES = st.sampled_from([0.01, 0.1, 0.2, 0.5, 0.9]) | st.floats(0.001, 0.999)
RATES = st.floats(0, 1)
MARGINS = st.sampled_from([0.01, 0.05, 0.2])
ROUNDING = 1 + 1e-9
ENDS = list(product((False, True), repeat=2))
"""Side and whether a run is bad."""
# Computed by another program, with 60 digits, from the formulas in the docstring of the module.
WORSE = -1.237195989754703
NOT_WORSE = -0.293392130653882


def worse_e_value(comparison):
    return math.exp(comparison.worse_log_e)


def not_worse_e_value(comparison):
    return math.exp(comparison.not_worse)


def add_all(ends, share, margin=0.05):
    """Return the comparison of runs in their order."""
    comparison = Comparison()
    for is_new, is_bad in ends:
        comparison = add_run(comparison, share, margin, is_new=is_new, is_bad=is_bad)
    return comparison


def mean_e_value(e_value, share, rates, margin=0.05):
    """Return the mean over all sides and ends of runs; rates = (old, new) of each run."""
    mean = 0.0
    for ends in product(ENDS, repeat=len(rates)):
        probability = math.prod(
            (share if is_new else 1 - share) * (pair[is_new] if is_bad else 1 - pair[is_new])
            for (is_new, is_bad), pair in zip(ends, rates, strict=True)
        )
        if probability:
            mean += probability * e_value(add_all(ends, share, margin))
    return mean


@given(share=SHARES, rates=st.lists(st.tuples(RATES, RATES).map(sorted), min_size=1, max_size=4))
def test_worse_gains_nothing_if_the_new_side_is_no_worse(share, rates):
    """Whatever both rates are, and although they change with each run."""
    assert mean_e_value(worse_e_value, share, [(high, low) for low, high in rates]) <= ROUNDING


@given(share=SHARES, rate=RATES, past=st.lists(st.sampled_from(ENDS), max_size=60))
def test_worse_is_a_supermartingale_after_each_past(share, rate, past):
    """The next run multiplies the e-value by 1 on average if both rates are equal."""
    before = add_all(past, share)
    mean = sum(
        (share if is_new else 1 - share)
        * (rate if is_bad else 1 - rate)
        * worse_e_value(add_run(before, share, 0.05, is_new=is_new, is_bad=is_bad))
        for is_new, is_bad in ENDS
    )
    assert mean == pytest.approx(worse_e_value(before))


@given(share=SHARES, ends=st.lists(st.booleans(), max_size=7))
def test_worse_gains_nothing_for_any_ends_if_only_sides_are_random(share, ends):
    """A version that changes nothing: runs may depend on each other, as in an outage."""
    mean = sum(
        math.prod(share if is_new else 1 - share for is_new in sides)
        * worse_e_value(add_all(zip(sides, ends, strict=True), share))
        for sides in product((False, True), repeat=len(ends))
    )
    assert mean == pytest.approx(1)


@given(share=SHARES, margin=MARGINS, rates=st.lists(st.tuples(RATES, RATES), min_size=1, max_size=3))
def test_not_worse_gains_nothing_if_the_new_side_is_worse_by_the_margin(share, margin, rates):
    """Whatever both rates are, from the margin on."""
    worse_by_margin = [(old * (1 - margin), margin + (1 - margin) * (old + more * (1 - old))) for old, more in rates]
    assert all(new - old >= margin - 1e-12 for old, new in worse_by_margin)
    assert mean_e_value(not_worse_e_value, share, worse_by_margin, margin) <= ROUNDING


@given(share=SHARES, margin=MARGINS, level=st.integers(-60, 60))
def test_each_bet_is_fair(share, margin, level):
    """At the corners of its hypothesis, between which the mean of a factor is linear."""
    corners = [(factors, [(0, 0), (1, 0), (1, 1)]) for factors in list_worse_factors(share, level)]
    corners.append((find_not_worse_factors(share, level, margin), [(0, margin), (0, 1), (1 - margin, 1)]))
    for factors, pairs in corners:
        old_good, old_bad, new_good, new_bad = map(math.exp, factors)
        for old, new in pairs:
            mean = (1 - share) * ((1 - old) * old_good + old * old_bad)
            mean += share * ((1 - new) * new_good + new * new_bad)
            # Level 60 is one bad run in three millions: its factors are of the size of the reciprocal, so they are less exact.
            assert mean <= 1 + 1e-7


@given(old=st.integers(1, 9), new=st.integers(1, 3), rate=RATES, level=st.integers(-20, 20))
def test_each_bet_is_fair_in_blocks_of_a_fixed_split(old, new, rate, level):
    """Sides that are dealt by turns, 4:1 for example, are as good as drawn ones, if p is the same in a block."""
    for factors in list_worse_factors(new / (old + new), level):
        old_good, old_bad, new_good, new_bad = map(math.exp, factors)
        mean = ((1 - rate) * old_good + rate * old_bad) ** old * ((1 - rate) * new_good + rate * new_bad) ** new
        assert mean <= ROUNDING


def test_e_values_have_fixed_values():
    """Another program that follows the formulas finds the same."""
    comparison = add_all([(n % 4 == 0, n % 3 == 0) for n in range(40)], 0.25)
    assert comparison.worse_log_e == pytest.approx(WORSE)
    assert comparison.not_worse == pytest.approx(NOT_WORSE)
    assert (comparison.old_runs, comparison.old_bad, comparison.new_runs, comparison.new_bad) == (30, 10, 10, 4)


def test_e_values_of_no_runs_are_one():
    """No evidence is neutral."""
    assert Comparison().worse_log_e == pytest.approx(0)
    assert Comparison().not_worse == 0


def test_e_values_are_finite_for_any_counts():
    """No overflow, and no rate of 0 or 1, whatever the counts are."""
    for is_bad in (False, True):
        comparison = Comparison(10**9, 10**9 * is_bad, 10**9, 10**9 * is_bad, (-1e9, 1e9, 0.0), -1e9)
        for is_new, is_next_bad in ENDS:
            more = add_run(comparison, 0.5, 0.05, is_new=is_new, is_bad=is_next_bad)
            assert math.isfinite(more.worse_log_e)
            assert math.isfinite(more.not_worse)


def test_level_is_a_rounded_logarithm_of_the_odds():
    """A quarter of a unit each, and 0 for even odds."""
    assert [find_level(rate) for rate in (0.1, 0.5, 0.9)] == [-9, 0, 9]

"""E-values of a comparison of two rates: the capital of a bettor who starts with 1 and doubts a hypothesis. Pure.

If the hypothesis is true, no bet gains on average. So the capital ever reaches 1/a with a probability of at most a, however
often it is read (Ville's inequality). A bet is a pair of rates (old, new), against the pair (old*, new*) of the hypothesis
that is nearest to it. A run of the old side multiplies the capital by old/old* if it is bad, and by (1-old)/(1-old*)
otherwise. A run of the new side does the same with `new`. The pairs follow from p, the rate of all earlier runs of both
sides: p = (bad + 0.5) / (runs + 5), rounded. The e-value is the mean of the capital of all bets.

    hypothesis       nearest pair                                    bets
    new <= old       old* = new* = p                                 p = (1-s) old + s new; the odds of new are 2.5,
                                                                     7 and 60 times those of old
    new >= old + d   new* = old* + d, least (1-s) KL(p|old*)         old = new = p
                     + s KL(p|new*)

s = the share of the new side. The side of a run must not depend on how it will end: it is drawn with probability s, by the
hash of its key. Then a run multiplies a bet against new <= old by 1 + (b-a)(q1-q0) on average, where a and b are the true
rates of this moment, q1 = s new/p, q0 = s (1-new)/(1-p), and q0 <= s <= q1. This is at most 1 if b <= a, whatever the rates
are and however they change with time. If the version changes nothing, it is exactly 1 after each past and for each end of
the run, so runs may depend on each other. For new >= old + d the nearest pair makes it at most 1.

Source: Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping", J.
Stat. Plan. Inference 230 (2024), arXiv:2106.02693; Turner, Grünwald, "Exact anytime-valid confidence intervals for
contingency tables and beyond", arXiv:2203.09785, for a difference; a mean of e-values is an e-value: Vovk, Wang, "E-values",
Ann. Statist. 49 (2021).
"""

import math
from functools import lru_cache
from typing import TypeAlias

import msgspec

_ODDS = (2.5, 7.0, 60.0)
"""The last bet finds a version that nearly always fails after few runs."""
_PRIOR_BAD, _PRIOR_RUNS = 0.5, 5
_LEVELS_PER_NEPER = 4
"""Steps of the logarithm of the odds to which p is rounded, so that few bets are computed."""
_HALVINGS = 60

Factors: TypeAlias = tuple[float, float, float, float]
"""Logarithms of the factors of a run: old and good, old and bad, new and good, new and bad."""


class Comparison(msgspec.Struct, frozen=True, array_like=True):
    """Runs of both sides, how many of them were bad, and the logarithms of the capital.

    `worse` = of each bet against new <= old; `not_worse` = of the bet against new >= old + margin.
    """

    old_runs: int = 0
    old_bad: int = 0
    new_runs: int = 0
    new_bad: int = 0
    worse: tuple[float, ...] = (-math.log(len(_ODDS)),) * len(_ODDS)
    not_worse: float = 0.0

    @property
    def old_rate(self) -> float:
        return self.old_bad / self.old_runs if self.old_runs else 0.0

    @property
    def new_rate(self) -> float:
        return self.new_bad / self.new_runs if self.new_runs else 0.0

    @property
    def worse_log_e(self) -> float:
        """The logarithm of the e-value against new <= old."""
        greatest = max(self.worse)
        return greatest + math.log(sum(math.exp(capital - greatest) for capital in self.worse))


def add_run(comparison: Comparison, share: float, margin: float, *, is_new: bool, is_bad: bool) -> Comparison:
    """Return the comparison with one more run."""
    old_runs, old_bad, new_runs, new_bad = msgspec.structs.astuple(comparison)[:4]
    level = find_level((old_bad + new_bad + _PRIOR_BAD) / (old_runs + new_runs + _PRIOR_RUNS))
    end = 2 * is_new + is_bad
    factors = list_worse_factors(share, level)
    worse = tuple(capital + factor[end] for capital, factor in zip(comparison.worse, factors, strict=True))
    not_worse = comparison.not_worse + find_not_worse_factors(share, level, margin)[end]
    if is_new:
        return Comparison(old_runs, old_bad, new_runs + 1, new_bad + is_bad, worse, not_worse)
    return Comparison(old_runs + 1, old_bad + is_bad, new_runs, new_bad, worse, not_worse)


def find_level(rate: float) -> int:
    """Return the number of a rounded rate."""
    return round(_LEVELS_PER_NEPER * math.log(rate / (1 - rate)))


@lru_cache(maxsize=1024)
def list_worse_factors(share: float, level: int) -> tuple[Factors, ...]:
    """Return the factors of each bet against new <= old, if p has this level."""
    rate = _read_level(level)
    bets = []
    for odds in _ODDS:
        # The root of (1-s) old + s new = p with new = odds old / (1 - old + odds old).
        square = (1 - share) * (odds - 1)
        linear = 1 - share + share * odds - rate * (odds - 1)
        old = (math.sqrt(linear**2 + 4 * square * rate) - linear) / (2 * square)
        new = odds * old / (1 - old + odds * old)
        # Not p itself: the bet is fair although the root is rounded.
        nearest = (1 - share) * old + share * new
        bets.append(_compare_rates(old, new, nearest, nearest))
    return tuple(bets)


@lru_cache(maxsize=1024)
def find_not_worse_factors(share: float, level: int, margin: float) -> Factors:
    """Return the factors of the bet against new >= old + margin, if p has this level."""
    rate = _read_level(level)
    # The slope of the distance changes its sign at the nearest pair.
    low, high = 0.0, 1 - margin
    for _ in range(_HALVINGS):
        old = (low + high) / 2
        new = old + margin
        slope = (1 - share) * (old - rate) / (old * (1 - old)) + share * (new - rate) / (new * (1 - new))
        low, high = (low, old) if slope > 0 else (old, high)
    return _compare_rates(rate, rate, old, old + margin)


def _read_level(level: int) -> float:
    return 1 / (1 + math.exp(-level / _LEVELS_PER_NEPER))


def _compare_rates(old: float, new: float, nearest_old: float, nearest_new: float) -> Factors:
    return (
        math.log((1 - old) / (1 - nearest_old)),
        math.log(old / nearest_old),
        math.log((1 - new) / (1 - nearest_new)),
        math.log(new / nearest_new),
    )

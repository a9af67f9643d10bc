"""E-values of a comparison of two rates: the capital of a bettor who starts with 1 and doubts a hypothesis. Pure.

If the hypothesis is true, no bet gains on average. So the capital ever reaches 1/a with a probability of at most a,
however often it is read (Ville's inequality). A bet is a pair of rates (old, new), against the pair (old*, new*) of
the hypothesis that is nearest to it. A run of the old side multiplies the capital by old/old* if it is bad, and by
(1-old)/(1-old*) otherwise. A run of the new side does the same with `new`. The e-value is the mean over a fixed grid
of bets. It depends only on four counts, not on their order.

    hypothesis       nearest pair                                     bets
    new <= old       old* = new* = (1-s) old + s new                  each old rate with three times the odds and more
    new >= old + d   new* = old* + d, least (1-s) KL(old|old*)        equal rates
                     + s KL(new|new*)

s = the share of the new side. The side of a run must not depend on how it will end: it is drawn with probability s,
by the hash of its key. Then for a bet against new <= old, with the true rates a and b of this moment, a run
multiplies by 1 + (b-a)(q1-q0) on average, with q1 = s new/new* and q0 = s (1-new)/(1-new*), q0 <= s <= q1. This is at
most 1 if b <= a, whatever the rates are and however they change with time. If the version changes nothing, it is
exactly 1 for each sequence of outcomes, however they depend on each other.

Source: Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping", J. Stat. Plan. Inference 230 (2024), arXiv:2106.02693; Turner, Grünwald, "Exact anytime-valid confidence
intervals for contingency tables and beyond", arXiv:2203.09785, for a difference; a mean of e-values is an e-value:
Vovk, Wang, "E-values", Ann. Statist. 49 (2021).
"""

import math
from functools import lru_cache

import msgspec

from mainspring.domain.rollouts.evidence import MetricCounts

_OLD_RATES = (0.002, 0.01, 0.03, 0.08, 0.2, 0.45, 0.75)
_ODDS = (2.0, 4.0, 8.0)
_TOTAL_RATE = 0.9
"""The least rate of the new side in the bet that nearly all of its runs are bad."""
_EQUAL_RATES = (0.003, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_HALVINGS = 60


class Bet(msgspec.Struct, frozen=True, array_like=True):
    """Logarithms: the share of the capital, and the factor of a run by its side and whether it is bad."""

    share: float
    old_good: float
    old_bad: float
    new_good: float
    new_bad: float


def compute_worse_e_value(counts: MetricCounts, share: float) -> float:
    """Return the evidence that the new side is bad more often than the old one, as a logarithm."""
    return _mix(list_worse_bets(share), counts)


def compute_not_worse_e_value(counts: MetricCounts, share: float, margin: float) -> float:
    """Return the evidence that the new side is not bad more often by `margin` or more, as a logarithm."""
    return _mix(list_not_worse_bets(share, margin), counts)


@lru_cache(maxsize=64)
def list_worse_bets(share: float) -> tuple[Bet, ...]:
    """Return the bets against `new <= old`."""
    pairs = []
    for old in _OLD_RATES:
        rates = [old * odds / (1 - old + old * odds) for odds in _ODDS]
        pairs += [(old, new) for new in (*rates, max(_TOTAL_RATE, rates[-1]))]
    bets = []
    for old, new in pairs:
        nearest = (1 - share) * old + share * new
        bets.append(_make_bet(len(pairs), (old, new), (nearest, nearest)))
    return tuple(bets)


@lru_cache(maxsize=64)
def list_not_worse_bets(share: float, margin: float) -> tuple[Bet, ...]:
    """Return the bets against `new >= old + margin`."""
    bets = []
    for rate in _EQUAL_RATES:
        nearest = _find_nearest(rate, share, margin)
        bets.append(_make_bet(len(_EQUAL_RATES), (rate, rate), (nearest, nearest + margin)))
    return tuple(bets)


def _make_bet(number: int, rates: tuple[float, float], nearest: tuple[float, float]) -> Bet:
    factors = (
        math.log(part)
        for rate, null in zip(rates, nearest, strict=True)
        for part in ((1 - rate) / (1 - null), rate / null)
    )
    return Bet(-math.log(number), *factors)


def _find_nearest(rate: float, share: float, margin: float) -> float:
    """Return the old rate of the nearest pair: there the slope of the distance changes its sign."""
    low, high = 0.0, 1 - margin
    for _ in range(_HALVINGS):
        old = (low + high) / 2
        new = old + margin
        slope = (1 - share) * (old - rate) / (old * (1 - old)) + share * (new - rate) / (new * (1 - new))
        low, high = (low, old) if slope > 0 else (old, high)
    return high


def _mix(bets: tuple[Bet, ...], counts: MetricCounts) -> float:
    """Return the logarithm of the mean of the bets' capital."""
    old_bad, new_bad = counts.old_bad, counts.new_bad
    old_good, new_good = counts.old_runs - old_bad, counts.new_runs - new_bad
    capital = [
        bet.share + old_good * bet.old_good + old_bad * bet.old_bad + new_good * bet.new_good + new_bad * bet.new_bad
        for bet in bets
    ]
    greatest = max(capital)
    return greatest + math.log(sum([math.exp(value - greatest) for value in capital]))

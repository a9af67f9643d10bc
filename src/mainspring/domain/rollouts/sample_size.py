"""Sample size of a step: how many runs of each side the guard needs. Pure.

The logarithm of a bet's capital grows by `growth` a run, with `variance`. After n runs it exceeds n growth - z sqrt(n
variance) in four of five rollouts (z = 0.84). The size is the least n for which one bet reaches the limit without the
others, after it has lost a factor of e**1.5 while p was not yet known. Simulated steps gave this factor.
"""

import math
from collections.abc import Sequence

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Factors, find_level, find_not_worse_factors, list_worse_factors
from mainspring.domain.rollouts.guard_settings import FAILED, MISSED_ERROR, GuardSettings, allot_budget

TYPICAL_INCREASE = 0.2
_LEAST_RATE = 0.001
_Z = 0.84
_LEARNING_COST = 1.5


class SampleSize(msgspec.Struct, frozen=True):
    """Runs of each side. They are runs of different keys, unless each run counts (rollout_by="run")."""

    old_runs: int
    new_runs: int


def compute_not_worse_size(share: int, base_rate: float, settings: GuardSettings) -> SampleSize | None:
    """Return the runs until "not worse", if both sides are bad at the base rate. None = no number is enough."""
    part = share / SHARE_UNITS
    factors = find_not_worse_factors(part, _find_pooled_level(part, base_rate, base_rate), settings.margin)
    return _find_size([factors], part, (base_rate, base_rate), MISSED_ERROR)


def compute_worse_size(
    share: int, base_rate: float, settings: GuardSettings, increase: float = TYPICAL_INCREASE
) -> SampleSize | None:
    """Return the runs until a rollback, if the new version fails more often by `increase`. None = no number is enough."""
    part = share / SHARE_UNITS
    new_rate = min(base_rate + increase, 1.0)
    factors = list_worse_factors(part, _find_pooled_level(part, base_rate, new_rate))
    return _find_size(factors, part, (base_rate, new_rate), allot_budget(settings)[FAILED])


def _find_pooled_level(share: float, old: float, new: float) -> int:
    rate = (1 - share) * old + share * new
    return find_level(min(max(rate, _LEAST_RATE), 1 - _LEAST_RATE))


def _find_size(bets: Sequence[Factors], share: float, rates: tuple[float, float], error: float) -> SampleSize | None:
    limit = math.log(len(bets) / error) + _LEARNING_COST
    runs = min(_count_runs(factors, share, rates, limit) for factors in bets)
    return None if math.isinf(runs) else SampleSize(math.ceil(runs * (1 - share)), math.ceil(runs * share))


def _count_runs(factors: Factors, share: float, rates: tuple[float, float], limit: float) -> float:
    """Return the least n with n growth - z sqrt(n variance) = limit."""
    old, new = rates
    probabilities = (1 - share) * (1 - old), (1 - share) * old, share * (1 - new), share * new
    growth = sum(probability * factor for probability, factor in zip(probabilities, factors, strict=True))
    if growth <= 0:
        return math.inf
    squares = sum(probability * factor**2 for probability, factor in zip(probabilities, factors, strict=True))
    spread = _Z * math.sqrt(squares - growth**2)
    root = (spread + math.sqrt(spread**2 + 4 * growth * limit)) / (2 * growth)
    return root**2

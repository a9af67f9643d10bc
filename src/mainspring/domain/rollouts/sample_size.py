"""Sample size of a step: how many runs of each side the guard needs. Pure.

The logarithm of a bet's capital grows by `growth` a run, with `variance`. After n runs it exceeds n growth - z sqrt(n
variance) in four of five rollouts (z = 0.84). The size is the least n for which one bet of the grid alone reaches the
limit.
"""

import math
from collections.abc import Iterable

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Bet, list_not_worse_bets, list_worse_bets
from mainspring.domain.rollouts.evidence import FAILED, list_metrics
from mainspring.domain.rollouts.guard import MISSED_ERROR, GuardSettings, allot_budget

TYPICAL_INCREASE = 0.2
_Z = 0.84


class SampleSize(msgspec.Struct, frozen=True):
    """Runs of each side. With `by=` a key, they are runs of different keys."""

    old_runs: int
    new_runs: int


def compute_not_worse_size(share: int, base_rate: float, margin: float) -> SampleSize | None:
    """Return the runs until "not worse", if both sides are bad at the base rate. None = no number is enough."""
    part = share / SHARE_UNITS
    return _find_size(list_not_worse_bets(part, margin), part, (base_rate, base_rate), MISSED_ERROR)


def compute_worse_size(
    share: int, base_rate: float, settings: GuardSettings, increase: float = TYPICAL_INCREASE
) -> SampleSize | None:
    """Return the runs until a rollback, if the new version fails more often by `increase`. None = no number is enough."""
    part = share / SHARE_UNITS
    error = allot_budget(list_metrics(settings.watched), settings.steps)[FAILED]
    return _find_size(list_worse_bets(part), part, (base_rate, min(base_rate + increase, 1.0)), error)


def _find_size(bets: Iterable[Bet], share: float, rates: tuple[float, float], error: float) -> SampleSize | None:
    runs = min(_count_runs(bet, share, rates, -math.log(error)) for bet in bets)
    return None if math.isinf(runs) else SampleSize(math.ceil(runs * (1 - share)), math.ceil(runs * share))


def _count_runs(bet: Bet, share: float, rates: tuple[float, float], limit: float) -> float:
    """Return the least n with n growth - z sqrt(n variance) = the limit and what the bet's share of the capital costs."""
    old, new = rates
    outcomes = [
        ((1 - share) * (1 - old), bet.old_good),
        ((1 - share) * old, bet.old_bad),
        (share * (1 - new), bet.new_good),
        (share * new, bet.new_bad),
    ]
    growth = sum(probability * factor for probability, factor in outcomes)
    if growth <= 0:
        return math.inf
    variance = sum(probability * factor**2 for probability, factor in outcomes) - growth**2
    spread = _Z * math.sqrt(variance)
    root = (spread + math.sqrt(spread**2 + 4 * growth * (limit - bet.share))) / (2 * growth)
    return root**2

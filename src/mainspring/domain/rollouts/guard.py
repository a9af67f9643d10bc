"""Guard of a rollout: the verdict about a step from its evidence. Pure: the same evidence gives the same verdict.

A metric is worse from the moment at which its e-value reaches 1 / its part of the error budget
(docs/adr/0033-guard-of-a-rollout.md).
"""

import math
from enum import StrEnum

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Comparison
from mainspring.domain.rollouts.evidence import Evidence
from mainspring.domain.rollouts.guard_settings import MARGIN_METRICS, MISSED_ERROR, GuardSettings, allot_budget

MIN_BAD_KEYS = 2
"""One key never rolls back by itself, however small the share is."""
_GREATEST_E_VALUE = 1e300


class GuardVerdict(StrEnum):
    """The verdict about the new version in a step."""

    WORSE = "worse"
    """Roll back. It counts also if another metric, or the margin, says "not worse"."""
    NOT_WORSE = "not_worse"
    """Neither failures nor runs that do not end are more frequent by the margin: the next step may start."""
    NOT_ENOUGH = "not_enough"
    """There is evidence for neither. At the end of a step this is a finding, never a promotion."""


class MetricResult(msgspec.Struct, frozen=True):
    """A metric with its counts and e-values. Limits are e-values, too. `not_worse_limit` None = it has no margin."""

    metric: str
    comparison: Comparison
    worse_limit: float
    not_worse_limit: float | None

    @property
    def worse_e_value(self) -> float:
        """The evidence that the new version is worse, at most 1e300."""
        return _limit_exp(self.comparison.worse_log_e)

    @property
    def not_worse_e_value(self) -> float:
        """The evidence that the new version is not worse by the margin, at most 1e300."""
        return _limit_exp(self.comparison.not_worse)

    @property
    def is_worse(self) -> bool:
        """Whether the new version is worse: by the evidence, in at least two keys, and in the rates of the step."""
        comparison = self.comparison
        return (
            comparison.new_bad >= MIN_BAD_KEYS
            and comparison.new_rate > comparison.old_rate
            and self.worse_e_value >= self.worse_limit
        )

    @property
    def is_not_worse(self) -> bool:
        """Whether the new version is not worse by the margin, or need not be."""
        return self.not_worse_limit is None or self.not_worse_e_value >= self.not_worse_limit


class GuardDecision(msgspec.Struct, frozen=True):
    """The verdict with its reasons. `worse` = the metric that rolls back, the first of several."""

    verdict: GuardVerdict
    results: tuple[MetricResult, ...]
    worse: str | None = None


def evaluate_step(evidence: Evidence, settings: GuardSettings) -> GuardDecision:
    """Return the verdict about a step."""
    results = tuple(
        MetricResult(
            metric,
            evidence.comparisons.get(metric) or Comparison(),
            1 / error,
            1 / MISSED_ERROR if metric in MARGIN_METRICS else None,
        )
        for metric, error in allot_budget(settings).items()
    )
    if worse := next((result.metric for result in results if result.is_worse), None):
        return GuardDecision(GuardVerdict.WORSE, results, worse)
    is_enough = all(result.is_not_worse for result in results)
    return GuardDecision(GuardVerdict.NOT_WORSE if is_enough else GuardVerdict.NOT_ENOUGH, results)


def count_safe_runs(decision: GuardDecision, share: int) -> int:
    """Return how many more runs cannot make a version worse. `share` = that of the new version, in millionths.

    A run multiplies each e-value by at most 1 / the smaller share. A metric beyond its limit waits for another rule: then it is 0.
    """
    part = share / SHARE_UNITS
    most = -math.log(min(part, 1 - part))
    distance = min(math.log(result.worse_limit) - result.comparison.worse_log_e for result in decision.results)
    return max(0, math.floor(distance / most - 1e-9))


def _limit_exp(logarithm: float) -> float:
    return math.exp(min(logarithm, math.log(_GREATEST_E_VALUE)))

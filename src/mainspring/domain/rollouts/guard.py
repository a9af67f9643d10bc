"""Guard of a rollout: the verdict about a step from its evidence. Pure: the same evidence gives the same verdict in each process.

A rollout has one error budget: a version that changes nothing is rolled back with a probability of at most 1 %, over
all metrics and steps, however often the evidence is evaluated. Half of it is for failures, and the other metrics
share the rest equally. Each step starts with new evidence and has an equal part of each. A metric whose e-value
reaches 1/part is worse (docs/adr/0033-guard-of-a-rollout.md).
"""

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import compute_not_worse_e_value, compute_worse_e_value
from mainspring.domain.rollouts.evidence import (
    FAILED,
    NOT_ENDED,
    Evidence,
    MetricCounts,
    WatchedMeasure,
    list_metrics,
)

ERROR_BUDGET = 0.01
"""The probability of a rollback of a version that is not worse, for a whole rollout."""
FAILED_PART = 0.5
"""The part of the budget that failures have."""
MISSED_ERROR = 0.05
"""The probability of "not worse" in a step, for a version that is worse by the margin or more.

It is not divided among the steps: a version reaches all runs only if each step says "not worse"."""
DEFAULT_MARGIN = 0.05
MIN_BAD_KEYS = 2
"""One key alone never rolls back, however small the share is."""
_MARGIN_METRICS = FAILED, NOT_ENDED


class GuardVerdict(StrEnum):
    """The verdict about the new version in a step."""

    WORSE = "worse"
    """Roll back."""
    NOT_WORSE = "not_worse"
    """Neither failures nor runs that do not end are more frequent by the margin: the next step may start."""
    NOT_ENOUGH = "not_enough"
    """There is evidence for neither. At the end of a step this is a finding, never a promotion."""


class GuardSettings(msgspec.Struct, frozen=True):
    """Settings that a rollout fixes at its start: the number of steps with two sides, the margin, and the measures to watch."""

    steps: int
    margin: float = DEFAULT_MARGIN
    watched: tuple[WatchedMeasure, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise OptionError(
                f"a rollout needs a step with two sides (got {self.steps})", hint="For example: --steps 5%,25%,100%"
            )
        if not 0 < self.margin < 1:
            raise OptionError(
                f"a margin is above 0 and below 1 (got {self.margin})", hint="For 5 points: margin=0.05, --margin 5"
            )


class MetricResult(msgspec.Struct, frozen=True):
    """A metric with its counts and e-values, as logarithms. It is worse, or not, from the limit on.

    `not_worse_log_e` None = the metric has no margin.
    """

    metric: str
    counts: MetricCounts
    worse_log_e: float
    worse_limit: float
    not_worse_log_e: float | None
    not_worse_limit: float

    @property
    def is_worse(self) -> bool:
        """Whether the new version is worse, in at least two keys and in what was counted."""
        counts = self.counts
        return (
            self.worse_log_e >= self.worse_limit
            and counts.new_bad >= MIN_BAD_KEYS
            and counts.new_rate > counts.old_rate
        )

    @property
    def e_value(self) -> float:
        """The e-value of "worse", for a person to read: at most 1e300."""
        return math.exp(min(self.worse_log_e, math.log(1e300)))


class GuardDecision(msgspec.Struct, frozen=True):
    """The verdict with its reasons. `worse` = the metric that rolls back, the first of several."""

    verdict: GuardVerdict
    results: tuple[MetricResult, ...]
    worse: str | None = None


def allot_budget(metrics: Sequence[str], steps: int) -> dict[str, float]:
    """Return the error that each metric may make in one step."""
    rest = (1 - FAILED_PART) / (len(metrics) - 1)
    return {metric: ERROR_BUDGET / steps * (FAILED_PART if metric == FAILED else rest) for metric in metrics}


def evaluate_step(evidence: Evidence, share: int, settings: GuardSettings) -> GuardDecision:
    """Return the verdict about a step. `share` = the new side's share of all keys in this step, in millionths."""
    if not 0 < share < SHARE_UNITS:
        raise ValueError(f"a share of {share} millionths has no two sides")
    part = share / SHARE_UNITS
    results = tuple(
        _compare(metric, evidence.counts.get(metric, MetricCounts()), part, error, settings.margin)
        for metric, error in allot_budget(list_metrics(settings.watched), settings.steps).items()
    )
    if worse := next((result.metric for result in results if result.is_worse), None):
        return GuardDecision(GuardVerdict.WORSE, results, worse)
    is_enough = all(
        result.not_worse_log_e >= result.not_worse_limit for result in results if result.not_worse_log_e is not None
    )
    return GuardDecision(GuardVerdict.NOT_WORSE if is_enough else GuardVerdict.NOT_ENOUGH, results)


def _compare(metric: str, counts: MetricCounts, share: float, error: float, margin: float) -> MetricResult:
    has_margin = metric in _MARGIN_METRICS
    return MetricResult(
        metric,
        counts,
        compute_worse_e_value(counts, share),
        -math.log(error),
        compute_not_worse_e_value(counts, share, margin) if has_margin else None,
        -math.log(MISSED_ERROR),
    )

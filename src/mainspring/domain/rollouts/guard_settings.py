"""Settings of a rollout's guard: its metrics, and the error that each of them may make. Pure.

A rollout has one error budget: a version that changes nothing is rolled back with a probability of at most 1 %, over all
metrics and steps, however often the evidence is evaluated. Half of the budget is a reserve: it covers sides that are not
drawn exactly by the share. Half of the rest is for failures, and the other metrics share equally what is left. Each step
starts with new evidence and has an equal part of each.
"""

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.rollouts.watched_measurement import QUANTILES, WatchedMeasurement

ERROR_BUDGET = 0.01
"""The probability of a rollback of a version that is not worse, for a whole rollout."""
RESERVED_PART = 0.5
"""The part of the budget that no metric has."""
FAILED_PART = 0.5
"""The part of the rest that failures have."""
MISSED_ERROR = 0.05
"""The probability of "not worse" in a step, for a version that is worse by the margin or more.

It is not divided among the steps: a version reaches all runs only if each step says "not worse"."""
DEFAULT_MARGIN = 0.05

FAILED = "failed"
NOT_ENDED = "not_ended"
DURATION_METRICS = {f"duration.p{percent}": percent for percent in QUANTILES}
"""The percentiles of the old version's durations with which each duration is compared."""
MARGIN_METRICS = frozenset({FAILED, NOT_ENDED})
"""The metrics in which a version must be "not worse"."""


class GuardSettings(msgspec.Struct, frozen=True):
    """Settings that a rollout fixes at its start. `steps` = the number of steps with two sides."""

    steps: int
    margin: float = DEFAULT_MARGIN
    watched: tuple[WatchedMeasurement, ...] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise OptionError(
                f"a rollout needs a step with two sides (got {self.steps})", hint="For example: --steps 5%,25%,100%"
            )
        if not 0 < self.margin < 1:
            raise OptionError(
                f"a margin is above 0 and below 1 (got {self.margin})", hint="For 5 points: margin=0.05, --margin 5"
            )


def list_metrics(settings: GuardSettings) -> list[str]:
    """Return the names of all metrics."""
    measured = [metric for measurement in settings.watched for metric in measurement.list_metrics()]
    return [FAILED, NOT_ENDED, *DURATION_METRICS, *measured]


def allot_budget(settings: GuardSettings) -> dict[str, float]:
    """Return the error that each metric may make in one step."""
    metrics = list_metrics(settings)
    step_budget = ERROR_BUDGET * (1 - RESERVED_PART) / settings.steps
    rest = (1 - FAILED_PART) / (len(metrics) - 1)
    return {metric: step_budget * (FAILED_PART if metric == FAILED else rest) for metric in metrics}

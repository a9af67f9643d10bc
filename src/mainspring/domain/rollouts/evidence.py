"""Evidence of a step of a rollout: counts of both sides for each metric, added up run by run. Pure.

Evidence of no runs is `Evidence()`. `add_outcomes` in any portions gives the same evidence as at once. So a store may
keep the evidence, or a process computes it again from the stored outcomes. Outcomes come in the order of their
starts, one for each key.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.rollouts.run_outcome import OutcomeKind, RunOutcome
from mainspring.domain.rollouts.value_histogram import ENDLESS_BUCKET, find_bucket, find_quantile

FAILED = "failed"
NOT_ENDED = "not_ended"
DURATION = "duration"
_MEASURE = "measure."
_MIN_VALUES = 20
"""With fewer values of the old version there is no quantile to compare with."""
_MEDIAN, _TAIL = 50, 95


class WorseDirection(StrEnum):
    """The direction in which a number gets worse."""

    HIGHER = "higher"
    LOWER = "lower"


class WatchedMeasure(msgspec.Struct, frozen=True):
    """A number of `ms.measure` that the guard compares, because a person named it."""

    name: str
    worse: WorseDirection = WorseDirection.HIGHER


class MetricCounts(msgspec.Struct, frozen=True, array_like=True):
    """Runs of both sides that count for a metric, and how many of them were bad."""

    old_runs: int = 0
    old_bad: int = 0
    new_runs: int = 0
    new_bad: int = 0

    @property
    def old_rate(self) -> float:
        return self.old_bad / self.old_runs if self.old_runs else 0.0

    @property
    def new_rate(self) -> float:
        return self.new_bad / self.new_runs if self.new_runs else 0.0


class Evidence(msgspec.Struct, frozen=True):
    """Counts by metric, and histograms of the old version's numbers, by name. It is small, and has a JSON form."""

    counts: dict[str, MetricCounts] = {}
    histograms: dict[str, dict[int, int]] = {}


def list_metrics(watched: Sequence[WatchedMeasure]) -> list[str]:
    """Return the names of all metrics."""
    numbers = [DURATION, *(_MEASURE + measure.name for measure in watched)]
    return [FAILED, NOT_ENDED, *(name for number in numbers for name in _name_quantiles(number))]


def add_outcomes(
    evidence: Evidence, outcomes: Iterable[RunOutcome], watched: Sequence[WatchedMeasure] = ()
) -> Evidence:
    """Return the evidence with more outcomes, which started after all that it has."""
    counts = {name: list(msgspec.structs.astuple(count)) for name, count in evidence.counts.items()}
    histograms = {name: dict(histogram) for name, histogram in evidence.histograms.items()}
    for outcome in outcomes:
        is_new = outcome.is_new
        _count(counts, FAILED, is_new=is_new, is_bad=outcome.kind is OutcomeKind.FAILED)
        _count(counts, NOT_ENDED, is_new=is_new, is_bad=outcome.kind is OutcomeKind.NOT_ENDED)
        for name, bucket in _list_numbers(outcome, watched):
            histogram = histograms.setdefault(name, {})
            # Only earlier runs give the limits: no run moves its own.
            if sum(histogram.values()) >= _MIN_VALUES:
                for metric, limit in zip(_name_quantiles(name), _find_limits(histogram), strict=True):
                    _count(counts, metric, is_new=is_new, is_bad=bucket > limit)
            if not is_new:
                histogram[bucket] = histogram.get(bucket, 0) + 1
    return Evidence({name: MetricCounts(*count) for name, count in counts.items()}, histograms)


def _name_quantiles(number: str) -> tuple[str, str]:
    return f"{number}.p{_MEDIAN}", f"{number}.p{_TAIL}"


def _count(counts: dict[str, list[int]], name: str, *, is_new: bool, is_bad: bool) -> None:
    count = counts.setdefault(name, [0, 0, 0, 0])
    side = 2 if is_new else 0
    count[side] += 1
    count[side + 1] += is_bad


def _list_numbers(outcome: RunOutcome, watched: Sequence[WatchedMeasure]) -> Iterator[tuple[str, int]]:
    """Yield the numbers of a run as buckets; higher is worse. A failed run has no duration that could be compared."""
    if outcome.kind is OutcomeKind.NOT_ENDED:
        yield DURATION, ENDLESS_BUCKET
    elif outcome.kind is OutcomeKind.SUCCEEDED and outcome.duration_ms is not None:
        yield DURATION, find_bucket(outcome.duration_ms)
    for measure in watched:
        value = outcome.measures.get(measure.name, math.nan)
        if not math.isnan(value):
            yield _MEASURE + measure.name, find_bucket(value if measure.worse is WorseDirection.HIGHER else -value)


def _find_limits(histogram: dict[int, int]) -> list[int]:
    """Return the quantiles of the old version. A run that has not ended is above each limit, also if the limit is such a run."""
    return [min(find_quantile(histogram, percent), ENDLESS_BUCKET - 1) for percent in (_MEDIAN, _TAIL)]

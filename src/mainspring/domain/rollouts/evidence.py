"""Evidence of a step of a rollout: a comparison of both sides for each metric, added up run by run. Pure.

Evidence of no runs is `Evidence()`. `add_outcomes` in any portions gives the same evidence as at once. So a store may keep
the evidence, or a process computes it again from the stored outcomes. Outcomes come in the order of their starts, one for
each key.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Comparison, add_run
from mainspring.domain.rollouts.guard_settings import (
    DURATION,
    FAILED,
    NOT_ENDED,
    QUANTILES,
    GuardSettings,
    WatchedMeasure,
    WorseDirection,
    name_quantiles,
)
from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind
from mainspring.domain.rollouts.value_histogram import ENDLESS_BUCKET, find_bucket, find_quantile

_MIN_VALUES = 20
"""With fewer values of the old version there is no quantile to compare with."""


class Evidence(msgspec.Struct, frozen=True):
    """Comparisons by metric, and histograms of the old version's numbers, by name. It is small, and has a JSON form."""

    comparisons: dict[str, Comparison] = {}
    histograms: dict[str, dict[int, int]] = {}


def add_outcomes(evidence: Evidence, outcomes: Iterable[RunOutcome], share: int, settings: GuardSettings) -> Evidence:
    """Return the evidence with more outcomes, which started after all that it has.

    `share` = the new side's share of all keys in this step, in millionths: each outcome got its side by this share.
    """
    if not 0 < share < SHARE_UNITS:
        raise ValueError(f"a share of {share} millionths has no two sides")
    part = share / SHARE_UNITS
    comparisons = dict(evidence.comparisons)
    histograms = {name: dict(histogram) for name, histogram in evidence.histograms.items()}
    for outcome in outcomes:
        for metric, is_bad in _list_findings(outcome, histograms, settings.watched):
            comparison = comparisons.get(metric) or Comparison()
            comparisons[metric] = add_run(comparison, part, settings.margin, is_new=outcome.is_new, is_bad=is_bad)
        if not outcome.is_new:
            for number, bucket in _list_numbers(outcome, settings.watched):
                histogram = histograms.setdefault(number, {})
                histogram[bucket] = histogram.get(bucket, 0) + 1
    return Evidence(comparisons, histograms)


def _list_findings(
    outcome: RunOutcome, histograms: dict[str, dict[int, int]], watched: Sequence[WatchedMeasure]
) -> Iterator[tuple[str, bool]]:
    """Yield the metrics for which a run counts, and whether it was bad. Only earlier runs give the limits of numbers."""
    yield FAILED, outcome.kind is RunOutcomeKind.FAILED
    yield NOT_ENDED, outcome.kind is RunOutcomeKind.NOT_ENDED
    for number, bucket in _list_numbers(outcome, watched):
        histogram = histograms.get(number, {})
        if sum(histogram.values()) >= _MIN_VALUES:
            for metric, percent in zip(name_quantiles(number), QUANTILES, strict=True):
                # A run that has not ended is above each limit, also if the limit is such a run.
                yield metric, bucket > min(find_quantile(histogram, percent), ENDLESS_BUCKET - 1)


def _list_numbers(outcome: RunOutcome, watched: Sequence[WatchedMeasure]) -> Iterator[tuple[str, int]]:
    """Yield the numbers of a run as buckets; higher is worse. A failed run has no duration that could be compared."""
    if outcome.kind is RunOutcomeKind.NOT_ENDED:
        yield DURATION, ENDLESS_BUCKET
    elif outcome.kind is RunOutcomeKind.SUCCEEDED and outcome.duration_ms is not None:
        yield DURATION, find_bucket(outcome.duration_ms)
    for measure in watched:
        value = outcome.measures.get(measure.name, math.nan)
        if not math.isnan(value):
            yield measure.metric, find_bucket(value if measure.worse is WorseDirection.HIGHER else -value)

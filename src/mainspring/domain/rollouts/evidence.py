"""Evidence of a step of a rollout: a comparison of both sides for each metric, added up run by run. Pure.

Evidence of no runs is `Evidence()`. `add_outcomes` in any portions gives the same evidence as at once. So a store may keep
the evidence, or a process computes it again from the stored outcomes. Outcomes come in the order of their starts, one for
each key.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Comparison, add_run
from mainspring.domain.rollouts.guard_settings import DURATION_METRICS, FAILED, NOT_ENDED, GuardSettings
from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind
from mainspring.domain.rollouts.value_histogram import ENDLESS_BUCKET, find_bucket, find_quantile
from mainspring.domain.rollouts.watched_measurement import QUANTILES, WatchedMeasurement, WorseDirection

_MIN_NUMBERS = 20
"""With fewer numbers of the old version there is no quantile to compare with."""
Histogram: TypeAlias = dict[int, int]


class Evidence(msgspec.Struct, frozen=True):
    """Comparisons by metric, and histograms of the old version: of durations, and of each watched measurement by name.

    It is small, and has a JSON form.
    """

    comparisons: dict[str, Comparison] = {}
    durations: Histogram = {}
    measurements: dict[str, Histogram] = {}


def add_outcomes(evidence: Evidence, outcomes: Iterable[RunOutcome], share: int, settings: GuardSettings) -> Evidence:
    """Return the evidence with more outcomes, which started after all that it has.

    `share` = the new side's share of all keys in this step, in millionths: each outcome got its side by this share.
    """
    if not 0 < share < SHARE_UNITS:
        raise ValueError(f"a share of {share} millionths has no two sides")
    part = share / SHARE_UNITS
    comparisons, durations = dict(evidence.comparisons), dict(evidence.durations)
    measurements = {watched.name: dict(evidence.measurements.get(watched.name, {})) for watched in settings.watched}
    for outcome in outcomes:
        numbers = [(_find_duration(outcome), durations, DURATION_METRICS)]
        for watched in settings.watched:
            metrics = {watched.name_metric(percent): percent for percent in QUANTILES}
            numbers.append((_find_measurement(outcome, watched), measurements[watched.name], metrics))
        for metric, is_bad in (*_list_findings(outcome, numbers), *_list_missing(outcome, settings.watched)):
            comparison = comparisons.get(metric) or Comparison()
            comparisons[metric] = add_run(comparison, part, settings.margin, is_new=outcome.is_new, is_bad=is_bad)
        for bucket, histogram, _ in numbers:
            if bucket is not None and not outcome.is_new:
                histogram[bucket] = histogram.get(bucket, 0) + 1
    return Evidence(comparisons, durations, measurements)


def _list_findings(
    outcome: RunOutcome, numbers: Iterable[tuple[int | None, Histogram, Mapping[str, int]]]
) -> Iterator[tuple[str, bool]]:
    """Yield the metrics for which a run counts, and whether it was bad. Only earlier runs give the limits of numbers."""
    yield FAILED, outcome.kind is RunOutcomeKind.FAILED
    yield NOT_ENDED, outcome.kind is RunOutcomeKind.NOT_ENDED
    for bucket, histogram, metrics in numbers:
        if bucket is not None and sum(histogram.values()) >= _MIN_NUMBERS:
            for metric, percent in metrics.items():
                # A run that has not ended is above each limit, also if the limit is such a run.
                yield metric, bucket > min(find_quantile(histogram, percent), ENDLESS_BUCKET - 1)


def _list_missing(outcome: RunOutcome, watched: Iterable[WatchedMeasurement]) -> Iterator[tuple[str, bool]]:
    """Yield for each watched measurement whether a run that succeeded lacks it."""
    if outcome.kind is RunOutcomeKind.SUCCEEDED:
        for measurement in watched:
            yield measurement.missing_metric, measurement.name not in outcome.numbers


def _find_duration(outcome: RunOutcome) -> int | None:
    """Return the bucket of a run's duration; None = it failed, so it has no duration that could be compared."""
    if outcome.kind is RunOutcomeKind.NOT_ENDED:
        return ENDLESS_BUCKET
    if outcome.kind is RunOutcomeKind.SUCCEEDED and outcome.duration_ms is not None:
        return find_bucket(outcome.duration_ms)
    return None


def _find_measurement(outcome: RunOutcome, watched: WatchedMeasurement) -> int | None:
    """Return the bucket of a run's number, higher = worse; None = it has none, or did not succeed, so its number is not complete."""
    value = outcome.numbers.get(watched.name)
    if outcome.kind is not RunOutcomeKind.SUCCEEDED or value is None:
        return None
    return find_bucket(value if watched.worse is WorseDirection.HIGHER else -value)

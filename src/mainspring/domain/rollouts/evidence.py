"""Evidence of a step of a rollout: a comparison of both sides for each metric, added up run by run. Pure.

Evidence of no runs is `Evidence()`. `add_outcomes` in any portions gives the same evidence as at once. So a store may keep
the evidence, or a process computes it again from the stored outcomes. Outcomes come in the order of their starts, one for
each key.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.e_value import Comparison, add_run
from mainspring.domain.rollouts.guard_settings import DURATION_QUANTILES, FAILED, NOT_ENDED, GuardSettings
from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind
from mainspring.domain.rollouts.value_histogram import ENDLESS_BUCKET, find_bucket, find_quantile

_MIN_DURATIONS = 20
"""With fewer durations of the old version there is no quantile to compare with."""


class Evidence(msgspec.Struct, frozen=True):
    """Comparisons by metric, and a histogram of the old version's durations. It is small, and has a JSON form."""

    comparisons: dict[str, Comparison] = {}
    durations: dict[int, int] = {}


def add_outcomes(evidence: Evidence, outcomes: Iterable[RunOutcome], share: int, settings: GuardSettings) -> Evidence:
    """Return the evidence with more outcomes, which started after all that it has.

    `share` = the new side's share of all keys in this step, in millionths: each outcome got its side by this share.
    """
    if not 0 < share < SHARE_UNITS:
        raise ValueError(f"a share of {share} millionths has no two sides")
    part = share / SHARE_UNITS
    comparisons, durations = dict(evidence.comparisons), dict(evidence.durations)
    for outcome in outcomes:
        bucket = _find_duration(outcome)
        for metric, is_bad in _list_findings(outcome, bucket, durations):
            comparison = comparisons.get(metric) or Comparison()
            comparisons[metric] = add_run(comparison, part, settings.margin, is_new=outcome.is_new, is_bad=is_bad)
        if bucket is not None and not outcome.is_new:
            durations[bucket] = durations.get(bucket, 0) + 1
    return Evidence(comparisons, durations)


def _list_findings(outcome: RunOutcome, bucket: int | None, durations: Mapping[int, int]) -> Iterator[tuple[str, bool]]:
    """Yield the metrics for which a run counts, and whether it was bad. Only earlier runs give the limits of durations."""
    yield FAILED, outcome.kind is RunOutcomeKind.FAILED
    yield NOT_ENDED, outcome.kind is RunOutcomeKind.NOT_ENDED
    if bucket is not None and sum(durations.values()) >= _MIN_DURATIONS:
        for metric, percent in DURATION_QUANTILES.items():
            # A run that has not ended is above each limit, also if the limit is such a run.
            yield metric, bucket > min(find_quantile(durations, percent), ENDLESS_BUCKET - 1)


def _find_duration(outcome: RunOutcome) -> int | None:
    """Return the bucket of a run's duration; None = it failed, so it has no duration that could be compared."""
    if outcome.kind is RunOutcomeKind.NOT_ENDED:
        return ENDLESS_BUCKET
    if outcome.kind is RunOutcomeKind.SUCCEEDED and outcome.duration_ms is not None:
        return find_bucket(outcome.duration_ms)
    return None

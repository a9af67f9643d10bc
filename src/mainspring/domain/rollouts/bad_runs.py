"""Bad runs: the runs of the new version that a person should read first, because they are bad in one metric. Pure."""

from collections.abc import Iterable, Sequence

from mainspring.domain.rollouts.guard_settings import DURATION_METRICS, FAILED, NOT_ENDED
from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement, WorseDirection

_KINDS = {FAILED: RunOutcomeKind.FAILED, NOT_ENDED: RunOutcomeKind.NOT_ENDED}


def list_bad_runs(
    outcomes: Iterable[RunOutcome], metric: str, watched: Sequence[WatchedMeasurement], limit: int
) -> list[str]:
    """Return the first runs that failed, did not end or have no number; else those with the worst numbers.

    `outcomes` = those of the new version, in the order of their starts.
    """
    if metric in _KINDS:
        return [outcome.run_id for outcome in outcomes if outcome.kind is _KINDS[metric]][:limit]
    succeeded = [outcome for outcome in outcomes if outcome.kind is RunOutcomeKind.SUCCEEDED]
    if metric in DURATION_METRICS:
        succeeded.sort(key=lambda outcome: outcome.duration_ms or 0, reverse=True)
        return [outcome.run_id for outcome in succeeded[:limit]]
    for measurement in watched:
        if metric == measurement.missing_metric:
            return [outcome.run_id for outcome in succeeded if measurement.name not in outcome.numbers][:limit]
        if metric in measurement.list_metrics():
            measured = [outcome for outcome in succeeded if measurement.name in outcome.numbers]
            is_higher_worse = measurement.worse is WorseDirection.HIGHER
            measured.sort(key=lambda outcome: outcome.numbers[measurement.name], reverse=is_higher_worse)
            return [outcome.run_id for outcome in measured[:limit]]
    return []

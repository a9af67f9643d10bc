"""Bad runs: whatever metric rolled back, a person sees the runs that show it."""

import msgspec
import pytest

from mainspring.domain.rollouts.bad_runs import list_bad_runs
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement, WorseDirection
from tests.unit.domain.rollouts.outcomes import make_outcome

WATCHED = (WatchedMeasurement("cost"), WatchedMeasurement("score", WorseDirection.LOWER))
NUMBERS = [{"cost": 3.0, "score": 3.0}, {"cost": 9.0, "score": 9.0}, {"cost": 5.0, "score": 5.0}, {}]
OUTCOMES = [
    make_outcome(2, "new", "f"),
    make_outcome(3, "new", "n"),
    make_outcome(4, "new", "f"),
    *(
        msgspec.structs.replace(make_outcome(5 + n, "new", duration_ms=100 * (n + 1)), numbers=numbers)
        for n, numbers in enumerate(NUMBERS)
    ),
]


@pytest.mark.parametrize(
    ("metric", "runs"),
    [
        ("failed", ["r0002", "r0004"]),
        ("not_ended", ["r0003"]),
        ("duration.p95", ["r0008", "r0007"]),
        ("measure.cost.p50", ["r0006", "r0007"]),
        ("measure.score.p95", ["r0005", "r0007"]),
        ("measure.cost.missing", ["r0008"]),
        ("unknown", []),
    ],
)
def test_bad_runs_are_those_of_the_metric(metric, runs):
    """The first ones, or those with the worst numbers."""
    assert list_bad_runs(OUTCOMES, metric, WATCHED, 2) == runs

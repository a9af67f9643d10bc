"""Evidence of a step: the same from any portions, and limits of numbers that come from earlier runs only."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardVerdict, evaluate_step
from mainspring.domain.rollouts.guard_settings import GuardSettings
from tests.unit.domain.rollouts.outcomes import make_outcome, make_outcomes, select_first_of_keys

SHARE = 200_000
SETTINGS = GuardSettings(3)


def count(outcomes, settings=SETTINGS):
    """Return {metric: (old runs, old bad, new runs, new bad)}."""
    evidence = add_outcomes(Evidence(), outcomes, SHARE, settings)
    return {name: msgspec.structs.astuple(row)[:4] for name, row in evidence.comparisons.items()}


def test_evidence_is_the_same_after_a_crash_between_any_two_runs():
    """Evidence that was saved as JSON at each cut and continued, and that of all stored outcomes again, never differ."""
    outcomes = make_outcomes("crash", 300, new_rate=0.4)
    saved = msgspec.json.encode(Evidence())
    verdicts = []
    for cut in range(len(outcomes)):
        continued = add_outcomes(msgspec.json.decode(saved, type=Evidence), [outcomes[cut]], SHARE, SETTINGS)
        again = add_outcomes(Evidence(), outcomes[: cut + 1], SHARE, SETTINGS)
        assert continued == again, cut
        assert evaluate_step(continued, SETTINGS) == evaluate_step(again, SETTINGS)
        verdicts.append(evaluate_step(again, SETTINGS).verdict)
        saved = msgspec.json.encode(continued)
    assert {GuardVerdict.NOT_ENOUGH, GuardVerdict.WORSE} <= set(verdicts)
    assert len(saved) < 10_000


@given(cuts=st.lists(st.integers(0, 120), max_size=6).map(sorted), seed=st.integers(0, 5))
def test_evidence_is_the_same_in_any_portions(cuts, seed):
    """However many runs reach their age between two evaluations."""
    outcomes = make_outcomes(seed, 120)
    evidence = Evidence()
    for start, end in zip([0, *cuts], [*cuts, 120], strict=True):
        evidence = add_outcomes(evidence, outcomes[start:end], SHARE, SETTINGS)
    assert evidence == add_outcomes(Evidence(), outcomes, SHARE, SETTINGS)


@given(seed=st.integers(0, 50))
def test_evidence_does_not_depend_on_the_order_of_rows(seed):
    """Runs count in the order of their starts, and ids decide ties."""
    outcomes = [msgspec.structs.replace(row, started_at=row.started_at // 4) for row in make_outcomes("ties", 100)]
    shuffled = random.Random(seed).sample(outcomes, len(outcomes))
    assert select_first_of_keys(shuffled) == outcomes
    evidence = add_outcomes(Evidence(), select_first_of_keys(shuffled), SHARE, SETTINGS)
    assert evidence == add_outcomes(Evidence(), outcomes, SHARE, SETTINGS)


def test_evidence_counts_what_a_run_was_at_its_age():
    """Failed and not ended are metrics of their own."""
    kinds = {"old": "fns", "new": "fnn"}
    outcomes = [make_outcome(n, side, kind) for side in kinds for n, kind in enumerate(kinds[side])]
    assert count(outcomes) == {"failed": (3, 1, 3, 1), "not_ended": (3, 1, 3, 2)}


def test_numbers_are_compared_with_earlier_runs_of_the_old_version():
    """After 20 values there are limits; a run of either side does not move its own."""
    old = [make_outcome(n, "old", duration_ms=1000 + 100 * n) for n in range(20)]
    assert set(count(old)) == {"failed", "not_ended"}
    counts = count([*old, make_outcome(20, "new", duration_ms=2500), make_outcome(21, "old", duration_ms=10**6)])
    assert counts["duration.p50"] == (1, 1, 1, 1)
    assert counts["duration.p95"] == (1, 1, 1, 0)


def test_duration_that_equals_its_limit_is_not_worse():
    """If all runs take equally long, the duration is evidence for nothing."""
    counts = count([make_outcome(n, "new" if n > 30 else "old") for n in range(40)])
    assert counts["duration.p50"] == (11, 0, 9, 0)


def test_run_that_has_not_ended_is_slower_than_each_limit():
    """Also if more than a twentieth of the old version's runs had not ended."""
    old = [make_outcome(n, "old", "n" if n < 10 else "s") for n in range(20)]
    counts = count([*old, make_outcome(20, "new", "n"), make_outcome(21, "new", "s")])
    assert counts["duration.p95"] == (0, 0, 2, 1)


def test_failed_run_has_no_duration():
    """A version that fails at once is not a fast one."""
    old = [make_outcome(n, "old") for n in range(20)]
    assert "duration.p50" not in count([*old, make_outcome(20, "new", "f", 9000)])


@pytest.mark.parametrize("share", [0, 1_000_000])
def test_share_without_two_sides_has_no_evidence(share):
    """At 100 % there is nothing to compare with."""
    with pytest.raises(ValueError, match="two sides"):
        add_outcomes(Evidence(), [], share, SETTINGS)

"""The guard's verdict about a step, its budget, and the rules beside the e-value."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.rollouts.e_value import Comparison
from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardVerdict, evaluate_step
from mainspring.domain.rollouts.guard_settings import GuardSettings, allot_budget, list_metrics
from tests.unit.domain.rollouts.outcomes import make_outcome, make_outcomes, select_first_of_keys

SETTINGS = GuardSettings(3)
CERTAIN = 100.0, 100.0, 100.0


def evaluate(outcomes, share=200_000, settings=SETTINGS):
    return evaluate_step(add_outcomes(Evidence(), outcomes, share, settings), settings)


def test_budget_is_spent_once_over_all_metrics_and_steps():
    """Half of it is a reserve, and half of the rest for failures. The other metrics share equally what is left."""
    for settings in (GuardSettings(1), GuardSettings(4)):
        budget = allot_budget(settings)
        assert list(budget) == list_metrics(SETTINGS)
        assert sum(budget.values()) * settings.steps == pytest.approx(0.005)
        assert budget["failed"] == pytest.approx(0.0025 / settings.steps)
        assert len(set(budget.values()) - {budget["failed"]}) == 1


def test_step_without_runs_is_not_enough():
    """No traffic is no evidence, and never a promotion."""
    decision = evaluate([])
    assert decision.verdict is GuardVerdict.NOT_ENOUGH
    assert [result.metric for result in decision.results] == list_metrics(SETTINGS)


def test_new_version_that_fails_is_worse():
    """The decision has the metric, the counts, the rates, the e-value and its limit."""
    decision = evaluate(make_outcomes("worse", 300, new_rate=0.5))
    assert (decision.verdict, decision.worse) == (GuardVerdict.WORSE, "failed")
    result = decision.results[0]
    assert result.worse_limit == pytest.approx(1200)
    assert result.worse_e_value >= result.worse_limit
    assert result.comparison.new_rate > 0.3 > result.comparison.old_rate


def test_new_version_with_equal_failures_becomes_not_worse():
    """With enough runs; before there is no verdict."""
    outcomes = make_outcomes("equal", 4000)
    assert evaluate(outcomes[:100]).verdict is GuardVerdict.NOT_ENOUGH
    assert evaluate(outcomes).verdict is GuardVerdict.NOT_WORSE


def test_step_with_runs_of_one_side_is_not_enough():
    """Whatever these runs are."""
    for kind in "sfn":
        assert evaluate([make_outcome(n, "old", kind) for n in range(300)]).verdict is not GuardVerdict.WORSE
        assert evaluate([make_outcome(0, "new", kind)]).verdict is GuardVerdict.NOT_ENOUGH


def test_version_that_hangs_is_never_not_worse():
    """It does not fail: its runs that do not end forbid the promotion."""
    evidence = Evidence({"failed": Comparison(400, 0, 100, 0, not_worse=50), "not_ended": Comparison(400, 20, 100, 60)})
    assert evaluate_step(evidence, SETTINGS).verdict is GuardVerdict.NOT_ENOUGH


def test_worse_counts_before_not_worse():
    """A version that is surely worse, but by less than the margin, is rolled back."""
    sure = Comparison(9000, 9, 9000, 90, CERTAIN, 100.0)
    decision = evaluate_step(Evidence({"failed": sure, "not_ended": sure}), SETTINGS)
    assert (decision.verdict, decision.worse) == (GuardVerdict.WORSE, "failed")


@pytest.mark.parametrize("share", [1, 10, 10_000])
def test_one_key_never_rolls_back(share):
    """Neither by one run, whatever it weighs, nor by all of its runs: a second key must fail, too."""
    old = [make_outcome(n, "old") for n in range(500)]
    runs = [make_outcome(500 + n, "new", "f", key="a-customer") for n in range(200)]
    assert evaluate(select_first_of_keys([*old, *runs]), share).verdict is GuardVerdict.NOT_ENOUGH
    assert evaluate([*old, *runs[:5]], share).verdict is GuardVerdict.WORSE
    for new_bad, verdict in [(1, GuardVerdict.NOT_ENOUGH), (2, GuardVerdict.WORSE)]:
        evidence = Evidence({"failed": Comparison(500, 0, new_bad, new_bad, CERTAIN)})
        assert evaluate_step(evidence, SETTINGS).verdict is verdict


def test_lower_rate_never_rolls_back():
    """An e-value that comes from the number of runs on each side is no reason that a person could follow."""
    evidence = Evidence({"failed": Comparison(1000, 50, 3, 0, CERTAIN), "not_ended": Comparison(40, 4, 40, 4, CERTAIN)})
    assert evaluate_step(evidence, SETTINGS).verdict is GuardVerdict.NOT_ENOUGH


def test_evidence_beyond_all_numbers_is_displayed():
    """An e-value that no float can have is shown as 1e300."""
    huge = Comparison(9, 0, 9, 9, (1e6, 0.0, 0.0), 1e6)
    result = evaluate_step(Evidence({"failed": huge}), SETTINGS).results[0]
    assert result.worse_e_value == pytest.approx(1e300)
    assert result.not_worse_e_value == pytest.approx(1e300)


@pytest.mark.parametrize("values", [{"steps": 0}, {"steps": 1, "margin": 0}, {"steps": 1, "margin": 5}])
def test_settings_that_do_not_fit_are_rejected(values):
    """The error shows what was given, and what to write."""
    with pytest.raises(OptionError, match=r"got .*\n.*--"):
        GuardSettings(**values)

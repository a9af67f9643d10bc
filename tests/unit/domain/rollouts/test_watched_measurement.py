"""Watched measurements: their text, and the runs that are bad in them."""

import msgspec
import pytest

from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardVerdict, evaluate_step
from mainspring.domain.rollouts.guard_settings import GuardSettings, allot_budget, list_metrics
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement, WorseDirection, parse_watched
from tests.unit.domain.rollouts.outcomes import make_outcome

SHARE = 200_000
COST, SCORE = WatchedMeasurement("cost"), WatchedMeasurement("score", WorseDirection.LOWER)


def make_measured(number, side, kind="s", **numbers):
    return msgspec.structs.replace(make_outcome(number, side, kind), numbers=numbers)


def count(outcomes, *watched):
    """Return {metric: (old runs, old bad, new runs, new bad)} of the watched numbers."""
    comparisons = add_outcomes(Evidence(), outcomes, SHARE, GuardSettings(3, watched=watched)).comparisons
    return {name: msgspec.structs.astuple(row)[:4] for name, row in comparisons.items() if name.startswith("measure")}


def test_text_has_a_direction():
    """Without one, higher is worse; the text of a measurement is read as the same one."""
    assert parse_watched(["cost", "score:lower", "rows:higher"]) == (COST, SCORE, WatchedMeasurement("rows"))
    assert parse_watched([str(COST), str(SCORE)]) == (COST, SCORE)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cost:up"], "higher or lower"),
        (["cost", "cost:lower"], "watched twice"),
        ([f"n{number}" for number in range(11)], "at most 10"),
        (["a b"], "cannot be the name"),
        ([""], "cannot be the name"),
    ],
)
def test_bad_text_is_an_error(texts, message):
    """It says which one, and what to write."""
    with pytest.raises((OptionError, ArgumentError), match=message) as caught:
        parse_watched(texts)
    assert caught.value.hint


def test_each_number_takes_a_part_of_the_budget():
    """All of them together have the same budget as without them; failures keep their half."""
    settings = GuardSettings(3, watched=(COST, SCORE))
    budget = allot_budget(settings)
    assert list(budget) == list_metrics(settings)
    assert {"measure.cost.p50", "measure.score.p95"} < budget.keys()
    assert sum(budget.values()) == pytest.approx(sum(allot_budget(GuardSettings(3)).values()))
    assert budget["failed"] == allot_budget(GuardSettings(3))["failed"]


def test_number_is_compared_with_earlier_runs_of_the_old_version():
    """In its direction; a number that equals the limit is not bad."""
    old = [make_measured(n, "old", cost=float(n), score=float(n)) for n in range(1, 21)]
    assert set(count(old, COST, SCORE)) == {"measure.cost.missing", "measure.score.missing"}
    counts = count([*old, make_measured(30, "new", cost=15.0, score=15.0)], COST, SCORE)
    assert counts.pop("measure.cost.missing") == counts.pop("measure.score.missing") == (20, 0, 1, 0)
    assert counts == {
        "measure.cost.p50": (0, 0, 1, 1),
        "measure.cost.p95": (0, 0, 1, 0),
        "measure.score.p50": (0, 0, 1, 0),
        "measure.score.p95": (0, 0, 1, 0),
    }
    low = count([*old, make_measured(30, "new", score=0.5)], SCORE)
    assert low["measure.score.p50"] == low["measure.score.p95"] == (0, 0, 1, 1)


def test_only_complete_numbers_count():
    """A run that failed or did not end measured a part; one that measured nothing has no number."""
    old = [make_measured(n, "old", cost=1.0) for n in range(20)]
    incomplete = [
        make_measured(20, "new", "f", cost=9.0),
        make_measured(21, "new", "n", cost=9.0),
        make_measured(22, "new"),
    ]
    assert count([*old, *incomplete], COST) == {"measure.cost.missing": (20, 0, 1, 1)}


def test_version_that_stops_measuring_is_worse():
    """Otherwise it would pass: there is no number to compare."""
    outcomes = [make_measured(n, "old", cost=1.0) if n % 5 else make_measured(n, "new") for n in range(100)]
    settings = GuardSettings(3, watched=(COST,))
    decision = evaluate_step(add_outcomes(Evidence(), outcomes, SHARE, settings), settings)
    assert (decision.verdict, decision.worse) == (GuardVerdict.WORSE, "measure.cost.missing")


def test_version_that_costs_more_is_worse_only_if_the_number_is_watched():
    """A number that no person named causes no rollback."""
    outcomes = [
        make_measured(n, side, cost=(150.0 if side == "new" else 100.0) + n % 7)
        for n in range(400)
        for side in ["new" if n % 5 == 0 else "old"]
    ]
    for watched, verdict in (((COST,), GuardVerdict.WORSE), ((), GuardVerdict.NOT_ENOUGH)):
        settings = GuardSettings(3, watched=watched, margin=0.01)
        decision = evaluate_step(add_outcomes(Evidence(), outcomes, SHARE, settings), settings)
        assert decision.verdict is verdict
    settings = GuardSettings(3, watched=(COST,))
    decision = evaluate_step(add_outcomes(Evidence(), outcomes, SHARE, settings), settings)
    assert decision.worse in {"measure.cost.p50", "measure.cost.p95"}

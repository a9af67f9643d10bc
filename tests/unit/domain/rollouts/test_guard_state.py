"""State of a guard: runs that cannot change the verdict are added together, and the verdict is the same as after each run."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardVerdict, count_safe_runs, evaluate_step
from mainspring.domain.rollouts.guard_state import GuardState, continue_state, make_guard_settings
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import RolloutState
from tests.unit.domain.rollouts.outcomes import make_outcomes

ROLLOUT = Rollout(
    1,
    "order",
    1,
    2,
    "f",
    (200_000, 1_000_000),
    0,
    1,
    InFlightPolicy.FINISH,
    1_000,
    50_000,
    RolloutState.RUNNING,
    0,
    0,
    watched=(WatchedMeasurement("cost"),),
)
SETTINGS = make_guard_settings(ROLLOUT)


def number_outcomes(seed, new_rate):
    outcomes = (msgspec.structs.replace(row, numbers={"cost": 1.0}) for row in make_outcomes(seed, 150, new_rate))
    return list(enumerate(outcomes, 1))


def evaluate_each(outcomes):
    """Return the state with an evaluation after each run."""
    state = GuardState()
    for place, outcome in outcomes:
        evidence = add_outcomes(state.evidence, [outcome], ROLLOUT.share, SETTINGS)
        state = GuardState(place, evidence, evaluate_step(evidence, SETTINGS))
        if state.decision.verdict is GuardVerdict.WORSE:
            break
    return state


@given(
    seed=st.integers(0, 30), new_rate=st.sampled_from([0.05, 0.4, 1.0]), cuts=st.sets(st.integers(1, 149), max_size=4)
)
def test_verdict_is_the_same_as_after_each_run(seed, new_rate, cuts):
    """And it falls at the same run, in whatever portions the runs are read."""
    outcomes = number_outcomes(seed, new_rate)
    state, bounds = GuardState(), [0, *sorted(cuts), len(outcomes)]
    for first, end in itertools.pairwise(bounds):
        state = continue_state(state, ROLLOUT, outcomes[first:end])
    assert state == evaluate_each(outcomes)


@pytest.mark.parametrize("share", [10_000, 500_000, 990_000])
def test_no_run_can_be_worse_than_a_safe_one(share):
    """After as many runs as are safe, all of them bad ones of the new version, no metric has reached its limit."""
    evidence = Evidence()
    safe = count_safe_runs(evaluate_step(evidence, SETTINGS), share)
    bad = [msgspec.structs.replace(row, is_new=True) for _, row in number_outcomes("bad", 1.0)][:safe]
    decision = evaluate_step(add_outcomes(evidence, bad, share, SETTINGS), SETTINGS)
    assert all(result.worse_e_value < result.worse_limit for result in decision.results)

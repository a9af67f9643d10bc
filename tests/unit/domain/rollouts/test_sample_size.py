"""The runs that a step needs. Simulated steps prove them: tests/simulation/test_rollout_guard.py."""

import pytest

from mainspring.domain.rollouts.guard_settings import GuardSettings
from mainspring.domain.rollouts.sample_size import compute_not_worse_size, compute_worse_size

SETTINGS = GuardSettings(3)


@pytest.mark.parametrize("share", [10_000, 200_000, 500_000])
def test_sides_have_the_split_of_the_share(share):
    """Both sizes are of one step, with one share."""
    for size in (compute_not_worse_size(share, 0.05, SETTINGS), compute_worse_size(share, 0.05, SETTINGS)):
        assert size.new_runs / (size.new_runs + size.old_runs) == pytest.approx(share / 1e6, rel=0.05)


def test_more_runs_are_needed_for_a_smaller_margin_and_a_higher_base_rate():
    """Rare failures and large differences are cheap."""
    sizes = [compute_not_worse_size(200_000, rate, SETTINGS).new_runs for rate in (0, 0.01, 0.05, 0.2)]
    assert sizes == sorted(sizes)
    assert compute_not_worse_size(200_000, 0.05, GuardSettings(3, margin=0.02)).new_runs > 3 * sizes[2]
    increases = [compute_worse_size(200_000, 0.05, SETTINGS, increase).new_runs for increase in (0.9, 0.2, 0.1)]
    assert increases == sorted(increases)


def test_more_steps_need_more_runs_before_a_rollback():
    """Each has a smaller part of the error budget."""
    assert (
        compute_worse_size(200_000, 0.05, GuardSettings(6)).new_runs
        > compute_worse_size(200_000, 0.05, GuardSettings(1)).new_runs
    )


def test_size_is_none_if_no_number_is_enough():
    """A base that always fails cannot get worse."""
    assert compute_worse_size(200_000, 1.0, SETTINGS) is None
    assert compute_not_worse_size(200_000, 1.0, SETTINGS) is not None

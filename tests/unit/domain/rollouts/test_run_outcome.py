"""The outcome of a run at a fixed age, and the one that counts for a key."""

import pytest

from mainspring.domain.rollouts.run_outcome import RunOutcomeKind, choose_age, read_kind
from mainspring.domain.states import RunState


@pytest.mark.parametrize(
    ("state", "settled_at", "kind"),
    [
        (RunState.SUCCEEDED, 100, RunOutcomeKind.SUCCEEDED),
        (RunState.SUCCEEDED, 101, RunOutcomeKind.NOT_ENDED),
        (RunState.FAILED, 100, RunOutcomeKind.FAILED),
        (RunState.FAILED, 5000, RunOutcomeKind.NOT_ENDED),
        (RunState.NEEDS_ATTENTION, 50, RunOutcomeKind.FAILED),
        (RunState.RUNNING, 50, RunOutcomeKind.NOT_ENDED),
        (RunState.QUEUED, None, RunOutcomeKind.NOT_ENDED),
        (RunState.CANCELLED, 50, None),
        (RunState.CANCELLED, 101, RunOutcomeKind.NOT_ENDED),
    ],
)
def test_run_is_what_it_was_at_its_age(state, settled_at, kind):
    """A guard that comes late reads the same as one in time."""
    assert read_kind(state, settled_at, counts_at=100) is kind


def test_age_is_the_95th_percentile_of_durations():
    """Without durations there is none."""
    assert choose_age(range(1, 101)) == 95
    assert choose_age([7]) == 7
    assert choose_age([]) is None

"""The outcome of a run at a fixed age, and the one that counts for a key."""

import pytest

from mainspring.domain.rollouts.run_outcome import RunOutcomeKind, choose_age, read_kind, select_first_of_keys
from mainspring.domain.states import RunState
from tests.unit.domain.rollouts.outcomes import make_outcome


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


def test_first_run_of_a_key_counts():
    """The first by its start, and by its id in a tie, in whatever order rows are read."""
    outcomes = [make_outcome(n, "new", kind, key=key) for n, (key, kind) in enumerate(["af", "bs", "as", "bf", "cs"])]
    assert [row.run_id for row in select_first_of_keys(reversed(outcomes))] == ["r0000", "r0001", "r0004"]

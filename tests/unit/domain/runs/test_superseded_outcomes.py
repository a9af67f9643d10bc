"""What a plain retry counts no longer."""

import pytest

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.runs.superseded_outcomes import CountedOutcome, find_superseded_ranks, read_branch
from mainspring.domain.states import OutcomeState


def counted(*rows):
    """Rows of (ident, state, kind, requested_after); ranks from 1."""
    return [_row(rank, *row) for rank, row in enumerate(rows, start=1)]


def _row(rank, ident, state=OutcomeState.SUCCEEDED, kind=OutcomeKind.STEP, called_after=0):
    return CountedOutcome(rank, ident, kind, state, called_after)


@pytest.mark.parametrize(
    ("ident", "branch"),
    [
        ("pay#1", ""),
        ("pay[a/b#1/c]", ""),
        ("work#2/pay#1", "work#2/"),
        ("m.work#2/inner.<lambda>#1/pay[x]", "m.work#2/inner.<lambda>#1/"),
        ("undo:work#1/pay#1", "undo:work#1/"),
    ],
)
def test_branch_of_returns_the_branch_for_any_key(ident, branch):
    """A slash or a number sign inside a key parts nothing."""
    assert read_branch(ident) == branch


def test_no_longer_counted_names_all_that_failed_and_led_to_the_end():
    """Both failures, not the one that was fixed, and nothing that succeeded or is in doubt."""
    rows = counted(
        ("a", OutcomeState.FAILED),
        ("mended", OutcomeState.FAILED),
        ("good",),
        ("b", OutcomeState.FAILED),
        ("mail", OutcomeState.SUCCEEDED, OutcomeKind.STEP, 4),
        ("doubt", OutcomeState.IN_DOUBT, OutcomeKind.STEP, 4),
        ("ship", OutcomeState.SUCCEEDED, OutcomeKind.CHILD, 4),
    )
    assert find_superseded_ranks(rows, ["a", "b"]) == [1, 4]


def test_no_longer_counted_keeps_all_where_the_body_itself_raised():
    """Nothing failed beside the code, whatever stands in the journal."""
    assert find_superseded_ranks(counted(("a", OutcomeState.FAILED), ("b",)), []) == []


def test_no_longer_counted_keeps_a_named_request_that_succeeded():
    """A step that drifted had its effect: only a word about that very step repeats it."""
    assert find_superseded_ranks(counted(("a",), ("b",)), ["a"]) == []


def test_no_longer_counted_forgets_a_stop_and_what_was_abandoned_and_waited_for_since():
    """A cancel or deadline strikes once, in every branch."""
    rows = counted(
        ("early", OutcomeState.CANCELLED),
        ("deadline#2", OutcomeState.SUCCEEDED, OutcomeKind.DEADLINE),
        ("a#1/late", OutcomeState.CANCELLED),
        ("a#1/timer#1", OutcomeState.SUCCEEDED, OutcomeKind.TIMER, 2),
        ("a#1/free#1", OutcomeState.SUCCEEDED, OutcomeKind.STEP, 2),
        ("b#1/go#1", OutcomeState.SUCCEEDED, OutcomeKind.SIGNAL, 1),
    )
    assert find_superseded_ranks(rows, []) == [2, 3, 4]

"""Versions of changes: the side that a run takes, for all that its past can be."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.change_versions import OLD_SIDE, ChangeVersions, read_change_versions

NUMBERS = st.integers(2, 5)
CHANGES = st.dictionaries(st.sampled_from("abc"), NUMBERS)
PASTS = st.builds(ChangeVersions, CHANGES, st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)))


@given(PASTS, st.sampled_from("abc"), NUMBERS, st.booleans())
def test_answer_is_a_side_that_the_code_has(past, change, newest, is_nothing_left):
    """It is between the old side and the newest one, and the newest is taken only if nothing may be under way, or the run began with it."""
    answer = past.choose(change, newest, is_nothing_left=is_nothing_left)
    assert OLD_SIDE <= answer <= newest
    assert answer in (newest, past.former(change))
    if answer > past.former(change):
        assert is_nothing_left
        assert change not in past.retained


@given(PASTS, st.lists(CHANGES, max_size=4), st.sampled_from("abc"), NUMBERS)
def test_retained_version_stays_whatever_code_comes_later(past, releases, change, newest):
    """After a loss under code with a newer version, each later question gets the version of before, as far as the code has it."""
    retained = past.retain({change: newest})
    if newest <= past.former(change):
        return
    for known in releases:
        retained = retained.retain(known)
    for is_nothing_left in (False, True):
        assert retained.choose(change, newest, is_nothing_left=is_nothing_left) == min(past.former(change), newest)


@given(PASTS, CHANGES)
def test_keeping_twice_changes_nothing(past, known):
    """A claim after a claim writes nothing more."""
    once = past.retain(known)
    assert once.retain(known) is once


def test_run_without_a_past_takes_the_newest():
    """Nothing is known of it, and nothing is under way."""
    assert read_change_versions(None).choose("by-card", 3, is_nothing_left=True) == 3

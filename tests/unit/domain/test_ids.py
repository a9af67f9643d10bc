"""Ids sort by time, derived ones are found again, keys tell effects apart."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.ids import derive_id, hash_parts, make_id, make_idempotency_key, read_instant

INSTANTS = st.integers(0, 2**48 - 1)
BITS = st.integers(0, 2**80 - 1)


@given(INSTANTS, BITS)
def test_run_id_has_a_fixed_form(at, bits):
    """A prefix and 26 characters without those that are easily mistaken."""
    assert re.fullmatch(r"r_[0-9a-hjkmnp-tv-z]{26}", make_id("r", at, bits))


@given(st.tuples(INSTANTS, BITS), st.tuples(INSTANTS, BITS))
def test_ids_sort_by_instant_and_differ_randomly(first, second):
    """The order of the texts is the order of (instant, chance), so no two pairs share an id."""
    assert (make_id("r", *first) < make_id("r", *second)) == (first < second)


@given(INSTANTS, BITS)
def test_instant_of_an_id_is_the_one_it_was_made_at(at, bits):
    """To the millisecond."""
    assert read_instant(make_id("e", at, bits)) == at


@given(INSTANTS, st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_derived_id_is_the_same_whenever_it_is_made(at, parts):
    """Anyone who starts a child or a slot twice finds the first."""
    assert derive_id("r", at, *parts) == derive_id("r", at, *parts)


def test_derived_id_depends_on_each_part():
    """Another parent, another step, another generation: another run."""
    made = {derive_id("r", 5, *parts) for parts in (("a", "b"), ("a", "c"), ("b", "b"), ("ab", ""), ("a", "b", "1"))}
    assert len(made) == 5


def test_idempotency_key_changes_with_run_step_and_generation_only():
    """All attempts of a step in a generation share it."""
    assert make_idempotency_key("r1", "pay#1", 0) == make_idempotency_key("r1", "pay#1", 0)
    keys = {
        make_idempotency_key(*key)
        for key in (("r1", "pay#1", 0), ("r1", "pay#1", 1), ("r1", "pay#2", 0), ("r2", "pay#1", 0))
    }
    assert len(keys) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_fingerprint_distinguishes_different_parts(first, second):
    """The length of each part counts: ("ab", "c") is not ("a", "bc")."""
    assert (hash_parts(*first) == hash_parts(*second)) == (first == second)

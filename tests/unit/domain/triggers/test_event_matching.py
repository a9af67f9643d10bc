"""Hashes of waits and events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.triggers.event_matching import event_hash, match_hash, match_paths

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abc.", min_size=1, max_size=4), VALUES, max_size=4), st.randoms())
def test_hash_ignores_the_order_of_paths(where, random):
    """Two waits with the same values by path are one wait, in whatever order they were written."""
    items = list(where.items())
    random.shuffle(items)
    assert match_hash("e", where) == match_hash("e", dict(items))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, max_size=4))
def test_event_meets_a_wait_for_its_own_values(data):
    """An event, as it comes back from JSON, has the hash of the wait that states its values."""
    stored = msgspec.json.decode(msgspec.json.encode(data))
    assert event_hash("e", match_paths(data), stored) == match_hash("e", data)


@pytest.mark.parametrize(
    ("path", "found"),
    [("a.b", 1), ("a.l.1", 20), ("x.y", 2), ("a.b.c", None), ("a.l.7", None), ("a.l.-1", None), ("none", None)],
)
def test_paths_lead_into_the_data(path, found):
    """Dots go into objects and lists; a key with dots of its own wins; what is missing matches nothing, not even null."""
    data = {"a": {"b": 1, "l": [10, 20]}, "x.y": 2, "x": {"y": 3}}
    expected = None if found is None else match_hash("e", {path: found})
    assert event_hash("e", [path], data) == expected


def test_null_is_a_value():
    """A wait for null is met by null, not by absence."""
    assert event_hash("e", ["a"], {"a": None}) == match_hash("e", {"a": None})
    assert event_hash("e", ["a"], {}) is None


def test_names_and_types_are_distinguished():
    """Another name, text for a number, or true for 1 is another hash; 1.0 is 1."""
    hash_one = match_hash("e", {"a": 1})
    assert hash_one == match_hash("e", {"a": 1.0})
    assert len({hash_one, match_hash("f", {"a": 1}), match_hash("e", {"a": "1"}), match_hash("e", {"a": True})}) == 4

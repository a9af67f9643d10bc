"""The key and the identity of an effect: equal ones give equal bytes, and what cannot be compared is refused."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.effects.identity import MAX_KEY_LENGTH, encode_identity, hash_identity, require_key
from mainspring.domain.errors import ArgumentError, ValueRefusedError


@dataclasses.dataclass
class Order:
    id: str
    total: float


@pytest.mark.parametrize("key", ["invoice:7", "é" * MAX_KEY_LENGTH, "a b", "😀"])
def test_key_that_a_person_can_read_is_accepted(key: str) -> None:
    """It is returned as it is."""
    assert require_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "x" * (MAX_KEY_LENGTH + 1), "two\nlines", "a\x00b", "\ud800", None, 7, b"k"])
def test_key_that_no_person_can_type_is_refused(key: object) -> None:
    """The error shows it, and what a key looks like."""
    with pytest.raises(ArgumentError, match="is not a valid key of an effect") as caught:
        require_key(key)
    assert "invoice:" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        ([1, math.nan], r"\$\[1\]", "NaN|nan"),
        ({"a": math.inf}, r"\$\.a", "inf"),
        ({1: "a"}, r"\$", "key"),
        ({"a": {None: 1}}, r"\$\.a", "key"),
        (-0.0, r"\$", r"-0\.0 is not allowed"),
        ({"a": [0.0, {"b": -0.0}]}, r"\$\.a\[1\]\.b", r"-0\.0 is not allowed"),
        (Order("o1", -0.0), r"\$\.total", r"-0\.0 is not allowed"),
        ([object()], r"\$\[0\]", "object"),
        ("x" * 300_000, r"\$", "the limit is"),
        ("\ud800", r"\$", "surrogate"),
    ],
)
def test_identity_that_cannot_be_compared_is_refused(value: object, place: str, reason: str) -> None:
    """The error names the effect, the place and the reason."""
    with pytest.raises(ValueRefusedError, match=reason) as caught:
        encode_identity("invoice:7", value)
    text = str(caught.value)
    assert "identity of effect 'invoice:7'" in text
    with pytest.raises(ValueRefusedError, match=place):
        encode_identity("invoice:7", value)


def test_minus_zero_in_a_text_is_a_text() -> None:
    """Only the number is refused."""
    assert encode_identity("k", ["-0.0", {"-0.0": 1}, -0.05]) == b'["-0.0",{"-0.0":1},-0.05]'


def test_limit_counts_the_json() -> None:
    """It is the size of what is stored."""
    assert encode_identity("k", "xx", limit=4) == b'"xx"'
    with pytest.raises(ValueRefusedError):
        encode_identity("k", "xxx", limit=4)


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}, True),
        ((1, 2), [1, 2], True),
        ({3, 1, 2}, {1, 2, 3}, True),
        (Order("o1", 1.5), Order("o1", 1.5), True),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
        (None, [], False),
        (True, 1, False),
    ],
)
def test_order_of_keys_is_no_difference_and_order_of_items_is(left: object, right: object, is_same: bool) -> None:
    """Equal data has one hash."""
    hashes = [hash_identity(encode_identity("k", value)) for value in (left, right)]
    assert (hashes[0] == hashes[1]) is is_same


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text("ab"), st.floats(0, 1e9, width=32)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab"), inner, max_size=3)),
    max_leaves=8,
)


def reordered(value: Any, turn: Callable[[list[Any]], list[Any]]) -> Any:
    """Return equal data whose mappings were built in another order."""
    if isinstance(value, dict):
        return {key: reordered(value[key], turn) for key in turn(list(value))}
    return [reordered(item, turn) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_identity_does_not_depend_on_how_a_mapping_was_built(value: Any) -> None:
    """Neither does it on a round trip through the store."""
    data = encode_identity("k", value)
    assert encode_identity("k", reordered(value, lambda keys: keys[::-1])) == data
    assert encode_identity("k", reordered(value, sorted)) == data

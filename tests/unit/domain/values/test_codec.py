"""Values cross as JSON or are refused with the path. Errors name where the bytes of a value are."""

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.values.codec import decode, encode, find_largest_part


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Item:
    id: int
    price: decimal.Decimal
    at: datetime.datetime
    span: datetime.timedelta
    key: uuid.UUID
    raw: bytes
    colours: frozenset[Colour]
    ratio: float | None = None
    names: dict[int, str] = dataclasses.field(default_factory=dict)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return value - value == 0
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_finite(child) for child in children)


@given(PLAIN)
def test_encode_keeps_plain_data_and_refuses_exactly_what_is_not_finite(value: Any) -> None:
    """Nested data comes back equal, or holds NaN or an infinity and is refused."""
    if _is_finite(value):
        assert decode(encode(value)) == value
    else:
        with pytest.raises(ValueRefusedError):
            encode(value)


@given(
    st.builds(
        Item,
        at=st.datetimes(),
        ratio=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        price=st.decimals(allow_nan=False),
        names=st.dictionaries(st.integers(), TEXT, max_size=2),
    )
)
def test_encode_keeps_typed_data(value: Item) -> None:
    """A data class of all supported kinds of fields comes back equal."""
    assert decode(encode(value, annotation=Item), Item) == value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b c": float("nan")}]}, "$.a[1]['b c']"),
        ([{1: 2}], "$[0]['1']"),
        ([object()], "$[0]"),
        ({"a": "\ud800"}, "$.a"),
        ([10**5000], "$[0]"),
        ("x" * 300_000, "$"),
    ],
)
def test_encode_names_the_path_of_what_it_refuses(value: Any, path: str) -> None:
    """The error tells where inside the value the fault is."""
    with pytest.raises(ValueRefusedError) as caught:
        encode(value, limit=262_144)
    assert caught.value.path == path


def test_encode_refuses_a_cycle() -> None:
    """A value that contains itself is refused, not followed for ever."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueRefusedError, match="contains itself"):
        encode(loop)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"order": {"id": 1, "scan": "x" * 100}, "n": 2}, "$.order.scan"),
        ({"rows": [1, 2, {"text": "x" * 100}]}, "$.rows[2].text"),
        ({"rows": ["x" * 10] * 50}, "$.rows"),
        ({"a b": "x" * 50}, "$['a b']"),
        ("x" * 100, "$"),
        (["x", "y"], "$"),
        ({}, "$"),
    ],
)
def test_heaviest_is_the_innermost_part_with_most_of_the_bytes(value, path):
    """It goes down as long as one part holds more than half."""
    assert find_largest_part(msgspec.json.encode(value)) == path


def test_heaviest_ends_on_deep_values():
    """A value that is nested deeper than anyone reads has a path all the same."""
    value: object = "x" * 1000
    for _ in range(100):
        value = [value]
    assert find_largest_part(msgspec.json.encode(value)).startswith("$[0][0]")

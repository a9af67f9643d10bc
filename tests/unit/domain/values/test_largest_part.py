"""Where the bytes of a value are."""

import msgspec
import pytest

from mainspring.domain.values.largest_part import find_largest_part


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

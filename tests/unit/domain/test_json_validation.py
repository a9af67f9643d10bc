"""Faults of JSON that need care to find."""

import msgspec
import pytest

from mainspring.domain.json_validation import measure_json_depth


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("[[{", 0), ('\\"[', 0), ([], 1), ({"a": [1, {"]": "}"}], "b[": []}, 3), ([[], [[]], []], 3)],
)
def test_depth_counts_levels_and_no_brackets_inside_of_text(value, depth):
    """Of any JSON text."""
    assert measure_json_depth(msgspec.json.encode(value)) == depth


def test_depth_of_what_no_decoder_reads():
    """A million levels are counted too."""
    assert measure_json_depth(b"[" * 1_000_000) == 1_000_000

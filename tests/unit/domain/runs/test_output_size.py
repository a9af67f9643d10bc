"""How much a run put out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.output_size import bucket_minimum, measure_result, size_bucket


@pytest.mark.parametrize(
    ("encoded", "size"),
    [(b"null", 0), (b'""', 0), (b"[]", 0), (b"{}", 0), (b"0", 1), (b"false", 5), (b"[null]", 6), (b'{"rows":[]}', 11)],
)
def test_result_of_nothing_is_empty(encoded, size):
    """Null and what holds nothing put out nothing; a number that is zero is a result."""
    assert measure_result(encoded) == size


@given(st.integers(0, 2**50))
def test_size_is_known_to_a_factor_of_two(size):
    """What is counted is never said to be larger than it was, nor to be less than half of it."""
    least = bucket_minimum(size_bucket(size))
    assert least <= size <= 2 * max(least, 1)
    assert (least == 0) is (size == 0)

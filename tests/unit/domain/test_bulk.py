"""Pieces of bulk acts keep a rate."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.bulk import Pieces, pieces_of
from mainspring.domain.rate import Rate, parse_rate

RATES = st.builds(Rate, st.integers(1, 10**6), st.timedeltas(timedelta(seconds=1), timedelta(days=30)))


def test_pieces_of_common_rates():
    """Slow ones go run by run, fast ones second by second, without one as it goes."""
    assert pieces_of(None) == Pieces(100, 0)
    assert pieces_of(parse_rate("60/m")) == Pieces(1, 1_000)
    assert pieces_of(parse_rate("10/s")) == Pieces(10, 1_000)
    assert pieces_of(parse_rate("1/h")) == Pieces(1, 3_600_000)


@given(RATES)
def test_pieces_are_never_faster_than_the_rate(rate):
    """Whatever it is: so many runs in that time are no more than it lets through."""
    pieces = pieces_of(rate)
    assert pieces.size >= 1
    assert pieces.size * rate.per <= rate.count * timedelta(milliseconds=pieces.every_ms)

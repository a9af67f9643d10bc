"""Pieces of bulk acts keep a rate."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkBatches, check_bulk_rate, plan_batches
from mainspring.domain.time.rate import Rate, parse_rate
from mainspring.domain.values.plain_json import LATEST_INSTANT

RATES = st.builds(Rate, st.integers(1, 10**6), st.timedeltas(timedelta(seconds=1), timedelta(days=30)))


def test_pieces_of_common_rates():
    """Slow ones go run by run, fast ones second by second, without one as it goes."""
    assert plan_batches(None) == BulkBatches(100, 0)
    assert plan_batches(parse_rate("60/m")) == BulkBatches(1, 1_000)
    assert plan_batches(parse_rate("10/s")) == BulkBatches(10, 1_000)
    assert plan_batches(parse_rate("1/h")) == BulkBatches(1, 3_600_000)


@given(RATES)
def test_pieces_are_never_faster_than_the_rate(rate):
    """Whatever it is: so many runs in that time are no more than it lets through."""
    pieces = plan_batches(rate)
    assert pieces.size >= 1
    assert pieces.size * rate.per <= rate.count * timedelta(milliseconds=pieces.every_ms)


def test_rate_that_has_no_end_is_refused():
    """By how many parts there are: one a month is slow for three and no rate for twenty thousand."""
    check_bulk_rate(None, MAX_BULK_PARTS)
    check_bulk_rate(parse_rate("1/30d"), 3)
    for rate, number in (("1/30d", MAX_BULK_PARTS), ("1/9999999d", 1), ("1/999999999d", 2)):
        with pytest.raises(OptionError, match="more than a hundred years"):
            check_bulk_rate(parse_rate(rate), number)


@given(st.builds(Rate, st.integers(1, 10**9), st.timedeltas(timedelta(microseconds=1))), st.integers(1, MAX_BULK_PARTS))
def test_piece_of_a_rate_that_is_taken_can_be_displayed(rate, number):
    """When the next one is due stands in every list of bulk acts."""
    try:
        check_bulk_rate(rate, number)
    except OptionError:
        return
    assert plan_batches(rate).every_ms < LATEST_INSTANT // 2

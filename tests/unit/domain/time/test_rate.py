"""Rates: what is read, what is refused, and that texts are exact."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.time.rate import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "count", "per", "text_again"),
    [
        ("60/m", 60, timedelta(minutes=1), "60/m"),
        ("10 / s", 10, timedelta(seconds=1), "10/s"),
        ("1000/hour", 1000, timedelta(hours=1), "1000/h"),
        ("5/30s", 5, timedelta(seconds=30), "5/30s"),
        ("5/1h30m", 5, timedelta(minutes=90), "5/1h30m"),
        ("3/day", 3, timedelta(days=1), "3/d"),
        ("7/60s", 7, timedelta(minutes=1), "7/m"),
        ("9/ms", 9, timedelta(milliseconds=1), "9/1ms"),
    ],
)
def test_parse_rate_reads_a_count_and_a_span(text, count, per, text_again):
    """A lone unit is one of it, and the text of a rate is its shortest form."""
    rate = parse_rate(text)
    assert rate == Rate(count, per)
    assert str(rate) == text_again
    assert parse_rate(rate) is rate


@pytest.mark.parametrize(
    "bad", ["", "60", "60/", "/m", "0/m", "-1/m", "1.5/m", "60/x", "60/0s", "6/m/s", 60, None, True]
)
def test_parse_rate_refuses_what_is_no_rate(bad):
    """A rate that lets nothing through is refused too: pausing a queue is another act."""
    with pytest.raises(OptionError) as caught:
        parse_rate(bad)
    assert "60/m" in str(caught.value)


def test_rate_holds_only_what_lets_something_through():
    """The type itself refuses a zero, so no limit can divide by it."""
    with pytest.raises(OptionError, match="at least one"):
        Rate(0, timedelta(minutes=1))
    with pytest.raises(OptionError, match="above zero"):
        Rate(1, timedelta(0))


@given(st.integers(1, 10**9 - 1), st.timedeltas(timedelta(microseconds=1), timedelta(days=3650)))
def test_rate_text_is_read_back_exactly(count, per):
    """Count and span survive their text, to the microsecond."""
    rate = Rate(count, per)
    assert parse_rate(str(rate)) == rate


@given(st.text(max_size=12))
def test_parse_rate_never_fails_otherwise(text):
    """Any text is a rate or an OptionError."""
    with suppress(OptionError):
        assert parse_rate(text).count > 0

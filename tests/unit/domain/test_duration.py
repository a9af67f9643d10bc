"""Spans of time as text."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.duration import format_duration, parse_duration, read_milliseconds, to_milliseconds
from mainspring.domain.errors import OptionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("20m", timedelta(minutes=20)),
        ("24h", timedelta(hours=24)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(days=14)),
        ("250ms", timedelta(milliseconds=250)),
        ("1h30m", timedelta(minutes=90)),
        (" 1h 30m ", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("90", timedelta(seconds=90)),
        ("0.6us", timedelta(microseconds=1)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (0, timedelta(0)),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)
def test_parse_duration_reads_each_form(value, expected):
    """Texts, numbers of seconds and spans become the span they stand for."""
    assert parse_duration(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "s", "30x", "-3s", "30m1h", "1h1h", "1,5s", "5M", "1e3", "٣s", "9" * 60 + "w", "1" * 100, "1m30"),
        *(-1, float("nan"), float("inf"), 1e300, True, None, [], timedelta(seconds=-1)),
    ],
)
def test_parse_duration_names_what_it_refuses(value):
    """A value that is no span is an OptionError that shows it and the grammar."""
    with pytest.raises(OptionError) as caught:
        parse_duration(value)
    assert repr(value)[:80] in str(caught.value)
    assert "30s" in caught.value.hint


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(0), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=30), "30d"),
        (timedelta(days=14), "2w"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(microseconds=1500), "1500us"),
        (timedelta(hours=-1), "-1h"),
    ],
)
def test_format_duration_is_short(span, expected):
    """Zero parts are left out and whole weeks are weeks."""
    assert format_duration(span) == expected


@given(st.timedeltas(min_value=timedelta(0)))
def test_format_duration_round_trips(span):
    """Every span that is not negative comes back exactly from its text."""
    assert parse_duration(format_duration(span)) == span


@given(st.text(max_size=80))
def test_parse_duration_raises_nothing_else(text):
    """Any text is a span or an OptionError."""
    with contextlib.suppress(OptionError):
        assert parse_duration(text) >= timedelta(0)


def test_span_of_an_option_is_read_in_whole_milliseconds():
    """What would be rounded, or is too short, is reported by the option."""
    assert read_milliseconds("every", "1.5s") == 1_500
    assert read_milliseconds("every", timedelta(), 0) == 0
    with pytest.raises(OptionError, match=r"every='1us' is finer than a millisecond"):
        read_milliseconds("every", "1us")
    with pytest.raises(OptionError, match=r"every='1s' is too short") as refused:
        read_milliseconds("every", "1s", 90_000)
    assert '"1m30s"' in refused.value.hint
    assert to_milliseconds(timedelta(days=36_500, microseconds=1_501)) == 3_153_600_000_002

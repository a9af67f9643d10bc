"""How things read."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.states import RunState
from mainspring.insight.text import formatting

START = 1_767_582_900_000  # 2026-01-05 03:15:00 UTC


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (850, "850ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (41_200, "41s"),
        (250_000, "4m10s"),
        (60_000, "1m"),
        (93_600_000, "1d2h"),
        (1_960, "2s"),
        (59_700, "1m"),
        (7_199_600, "2h"),
        (84_600_000, "23h30m"),
        (86_399_000, "1d"),
        (345_500_000, "4d"),
        (-1_000, "-1s"),
    ],
)
def test_spans_have_two_units_and_are_rounded_not_cut(ms, text):
    """The two largest units that say something; what is a blink below two hours is two hours."""
    assert formatting.format_span(ms) == text


def test_instants_read_from_now():
    """Past, future, now and never."""
    assert formatting.format_distance(START - 180_000, START) == "3m ago"
    assert formatting.format_distance(START + 7_200_000, START) == "in 2h"
    assert formatting.format_distance(START - 7_140_000, START) == "1h59m ago"
    assert formatting.format_distance(START + 7_199_600, START) == "in 2h"
    assert formatting.format_distance(START + 10, START) == "now"
    assert formatting.format_distance(None, START) == "-"


def test_moment_has_the_date_only_on_another_day():
    """Clock time in the zone asked for, and the distance."""
    assert formatting.format_moment(START + 720_000, START) == "03:27:00 (in 12m)"
    assert formatting.format_moment(START + 86_400_000, START, "Europe/Berlin") == "2026-01-06 04:15:00 (in 1d)"


def test_instant_beyond_all_calendars_is_reported():
    """Anyone who sleeps so long is reported, in each zone."""
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        for at in (10**15, 2**63 - 1):
            assert formatting.format_instant(at, zone)[:4] in ("9999", "9998")
            assert formatting.format_moment(at, START, zone)[:4] in ("9999", "9998")
            assert formatting.format_clock_time(at, START, zone)[:4] in ("9999", "9998")


def test_every_state_has_icon_and_colour():
    """A state is a word, an icon and a colour."""
    assert set(formatting.ICONS) == set(formatting.COLOURS) == set(RunState)


@given(st.text())
def test_displayed_text_cannot_steer_a_terminal(text):
    """Whatever comes in, no control character but a newline comes out, and showing it again changes nothing."""
    once = formatting.escape_text(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in once)
    assert not set(once) & set("\u202a\u202e\u2066\u2069")
    assert formatting.escape_text(once) == once


def test_displayed_clean_text_is_unchanged():
    """Backslashes that stood for themselves are not doubled."""
    assert formatting.escape_text(r"C:\x1b ü") == r"C:\x1b ü"


def test_one_line_is_cut():
    """Newlines become spaces; what is too long ends in an ellipsis."""
    assert formatting.escape_line("a\nb\tc") == "a b c"
    assert formatting.escape_line("abcdef", 4) == "abc…"


@given(st.text(st.sampled_from("ab \n\t\x1b\u202e\ud800…"), max_size=200), st.integers(1, 30))
def test_one_line_is_bounded(text, limit):
    """However long and whatever it is; what is whole has no ellipsis of ours, and what was cut has one."""
    line = formatting.escape_line(text, limit)
    assert len(line) <= limit
    assert formatting.escape_line(line, limit) == line
    whole = formatting.escape_line(text)
    assert line == whole or line.endswith("…")


@pytest.mark.parametrize(
    ("count", "per_ms", "text"),
    [(60, 60_000, "60/m"), (5, 10_000, "5/10s"), (1, 5_400_000, "1/1h30m"), (None, None, "-"), (0, 1_000, "-")],
)
def test_rate_reads_as_it_is_written(count, per_ms, text):
    """In the configuration."""
    assert formatting.format_rate(count, per_ms) == text

"""How many cells of a terminal a text takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.text.text_width import cut_to_width, keep_end, measure_width, pad_to_width, wrap_to_width


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("abc", 3),
        ("", 0),
        ("日本", 4),
        ("한글", 4),
        ("é", 1),
        ("e\u0301", 1),
        ("a\u200bb", 2),
        ("✓ ok", 4),
        ("🚀", 2),
        ("▶", 1),
    ],
)
def test_width_counts_cells(text, cells):
    """Wide characters take two, what combines takes none."""
    assert measure_width(text) == cells


@given(st.text(max_size=40), st.integers(2, 30))
def test_wrapped_text_is_whole(text, cells):
    """Each part fits, and nothing is lost."""
    parts = wrap_to_width(text, cells)
    assert "".join(parts) == text
    assert all(measure_width(part) <= cells for part in parts)


@given(st.text(max_size=40), st.integers(0, 30))
def test_cut_text_fits(text, cells):
    """Whatever is cut takes no more room than there is; what fits stays as it is."""
    found = cut_to_width(text, cells)
    assert measure_width(found) <= cells
    assert found == text or found.endswith("…") or not cells


def test_end_of_a_path_is_kept():
    """The name of a file is at its end."""
    assert keep_end("/srv/data/inbox/2.csv", 12) == "…inbox/2.csv"
    assert keep_end("2.csv", 12) == "2.csv"


def test_wide_text_is_padded_by_cells():
    """Columns stand below each other whatever the letters."""
    assert pad_to_width("日本", 6) == "日本  "
    assert pad_to_width("7", 3, right=True) == "  7"
    assert cut_to_width("日本語", 5) == "日本…"

"""Sizes: what is read, what is refused, and that texts are exact."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.text.byte_size import UNITS, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        (512, 512),
        ("512B", 512),
        ("256kB", 256_000),
        ("256KB", 256_000),
        ("256KiB", 262_144),
        (" 64 MiB ", 67_108_864),
        ("1.5GB", 1_500_000_000),
        ("0.5kib", 512),
        ("2TiB", 2 * 1024**4),
    ],
)
def test_parse_size_reads_units_of_thousands_and_of_1024(text, size):
    """k counts thousands, Ki counts 1024s, and capitals do not matter."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "bad", ["", "kB", "-1", -1, "1.5", "0.0001kB", "10 bits", "1e3", "1,5kB", "٣kB", True, 1.5, None, [1]]
)
def test_parse_size_refuses_what_is_no_whole_number_of_bytes(bad):
    """The error shows the value and the form that is wanted."""
    with pytest.raises(OptionError) as caught:
        parse_size(bad)
    assert repr(bad) in caught.value.message
    assert "256kB" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1, "1B"), (262_144, "256KiB"), (256_000, "256kB"), (64 * 1024**2, "64MiB")]
)
def test_format_size_is_the_shortest_exact_text(size, text):
    """Sizes are shown in the unit in which people wrote them."""
    assert format_size(size) == text


@given(
    st.integers(0, 10**17)
    | st.builds(lambda n, unit: n * UNITS[unit], st.integers(0, 9999), st.sampled_from(list(UNITS)))
)
@example(1024 * 1000)
def test_format_size_is_read_back_exactly(size):
    """No byte is lost between number and text."""
    assert parse_size(format_size(size)) == size


@given(st.text(max_size=12))
def test_parse_size_never_fails_otherwise(text):
    """Any text is a size of zero or more, or an OptionError."""
    with suppress(OptionError):
        assert parse_size(text) >= 0

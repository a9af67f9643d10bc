"""Instants as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.insight.text.typed_instants import parse_instant

NOW = 1_780_000_000_000


@given(minutes=st.integers(1, 10_000))
def test_span_lies_as_far_on_either_side(minutes):
    """Before now or after it."""
    back, on = (parse_instant(f"{minutes}m", NOW, "UTC", back=back) for back in (True, False))
    assert (NOW - back, on - NOW) == (minutes * 60_000, minutes * 60_000)


def test_time_is_local_unless_it_names_a_zone():
    """To the zone that is given."""
    assert parse_instant("2026-01-05T03:00", NOW, "Europe/Berlin", back=True) == 1_767_578_400_000
    assert parse_instant("2026-01-05T03:00+00:00", NOW, "Europe/Berlin", back=True) == 1_767_582_000_000


@pytest.mark.parametrize("text", ["soon", "", "0001-01-01T00:00+23:59x", "-3h"])
def test_invalid_instant_is_reported_with_valid_forms(text):
    """The hint names both forms."""
    with pytest.raises(OptionError) as raised:
        parse_instant(text, NOW, "UTC", back=True)
    assert "Write a span" in raised.value.hint

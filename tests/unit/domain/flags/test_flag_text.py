"""Flags as people type them."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag_text import format_share, parse_attributes, parse_share, to_millionths


@pytest.mark.parametrize(
    ("text", "share", "printed"),
    [
        ("5%", 50_000, "5 %"),
        ("0.01%", 100, "0.01 %"),
        (" 33.3 % ", 333_000, "33.3 %"),
        ("100%", 1_000_000, "100 %"),
        ("0%", 0, "0 %"),
        ("0.0001%", 1, "0.0001 %"),
    ],
)
def test_share_is_read_and_printed(text, share, printed):
    """In millionths, exactly."""
    assert parse_share(text) == share
    assert format_share(share) == printed


@pytest.mark.parametrize(
    "text", ["", "%", "5", "x%", "-1%", "100.1%", "0.00001%", "1e99999999%", "NaN%", "inf%", "1" * 99]
)
def test_bad_share_is_rejected_with_a_fix(text):
    """Also one that would be a very long number."""
    with pytest.raises(OptionError) as caught:
        parse_share(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 200


def test_percent_of_the_api_is_exact():
    """A float is taken as it is written."""
    assert to_millionths(0.1) == 1_000
    assert to_millionths(33.3333) == 333_333
    with pytest.raises(OptionError, match="a share of 125 % is not possible"):
        to_millionths(125.0)


def test_attributes_are_read():
    """The same one again adds values; one without a value is rejected."""
    assert parse_attributes(["country=DE, AT", "plan=pro", "country=CH"]) == {
        "country": ("DE", "AT", "CH"),
        "plan": ("pro",),
    }
    for text in ("country", "country=", "=DE", "country=,"):
        with pytest.raises(OptionError):
            parse_attributes([text])

"""Rules of flags in words."""

import pytest

from mainspring.domain.flags.flag import Flag, FlagKind, FlagRules
from mainspring.insight.flags.flag_words import describe_rules, list_field_changes


def make_flag(**rules):
    return Flag("f", FlagKind.BOOLEAN, "true", "false", FlagRules(**rules))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({}, "no key"),
        ({"share": 50_000}, "5 % of keys"),
        ({"share": 1}, "0.0001 % of keys"),
        ({"share": 1_000_000, "allow": ("a",)}, "all keys"),
        ({"share": 1_000_000, "deny": ("a",)}, "all keys, 1 denied"),
        ({"allow": ("a", "b")}, "2 allowed"),
        ({"attributes": {"country": ("DE", "AT")}}, "country=DE|AT"),
        (
            {"share": 50_000, "allow": ("a", "b"), "attributes": {"n": tuple("123456")}, "deny": ("z",)},
            "5 % of keys, 2 allowed, n=1|2|3|4|5|1 more, 1 denied",
        ),
    ],
)
def test_rules_read_as_words(rules, text):
    """Who gets the side on."""
    assert describe_rules(make_flag(**rules)) == text


def test_change_lists_the_fields_that_differ():
    """A long list is cut, and text of others is made safe for a terminal."""
    before = make_flag(allow=tuple("abcdefg"))
    (change,) = list_field_changes(before, make_flag(allow=("\x1b[2J",)), "UTC")
    assert str(change) == "allow: a, b, c, d, e, 2 more -> \\x1b[2J"
    assert list_field_changes(before, before, "UTC") == []

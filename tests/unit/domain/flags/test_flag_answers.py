"""The answer of a flag: its rules in their order, and the default of the code where there is no answer."""

import pytest

from mainspring.domain.flags.flag import (
    Flag,
    FlagAnswer,
    FlagKind,
    FlagQuestion,
    FlagReason,
    FlagRules,
    FlagSide,
    answer_question,
)

ON, OFF, DEFAULT = FlagSide.ON, FlagSide.OFF, FlagSide.DEFAULT


def flag(rules=None, **fields):
    values = {
        "name": "f",
        "kind": FlagKind.BOOLEAN,
        "on_value": "true",
        "off_value": "false",
        "rules": rules or FlagRules(),
    }
    return Flag(**values | fields)


ALL = FlagRules(deny=("d", "both"), allow=("a", "both"), attributes={"country": ("DE", "AT")}, share=0)


@pytest.mark.parametrize(
    ("key", "attributes", "side", "reason"),
    [
        ("d", {"country": "DE"}, OFF, FlagReason.DENIED),
        ("both", {}, OFF, FlagReason.DENIED),
        ("a", {}, ON, FlagReason.ALLOWED),
        ("x", {"country": "AT"}, ON, FlagReason.ATTRIBUTE),
        ("x", {"country": "FR"}, OFF, FlagReason.SHARE),
        ("x", {"city": "DE"}, OFF, FlagReason.SHARE),
    ],
)
def test_first_rule_that_fits_decides(key, attributes, side, reason):
    """Deny, allow, attributes, share. A kill is before all of them."""
    question = FlagQuestion("f", key, "false", attributes)
    value = "true" if side is ON else "false"
    assert answer_question(flag(ALL), question) == FlagAnswer(value, side, reason)
    assert answer_question(flag(ALL, killed_at=1), question) == FlagAnswer("false", OFF, FlagReason.KILLED)


def test_default_of_the_code_counts_without_a_flag():
    """An unknown name is no error: the code continues as it was written."""
    assert answer_question(None, FlagQuestion("f", "k", '"red"')) == FlagAnswer(
        '"red"', DEFAULT, FlagReason.UNKNOWN, is_default=True
    )


@pytest.mark.parametrize("default", ["1", '"x"', "{}", "[1]"])
def test_default_of_the_code_counts_if_the_kind_does_not_fit(default):
    """A string never comes to code that expects a boolean."""
    answer = answer_question(flag(FlagRules(share=1_000_000)), FlagQuestion("f", "k", default))
    assert answer == FlagAnswer(default, DEFAULT, FlagReason.KIND_MISMATCH, is_default=True)


@pytest.mark.parametrize(
    ("kind", "on_value", "default"),
    [
        (FlagKind.STRING, '"v2"', '"v1"'),
        (FlagKind.NUMBER, "1.5", "-2"),
        (FlagKind.JSON, '{"a":1}', "null"),
        (FlagKind.JSON, "[1]", "true"),
        (FlagKind.STRING, '"v2"', "null"),
    ],
)
def test_side_off_without_a_value_is_the_default_of_the_code(kind, on_value, default):
    """The side and the reason are those of the rules all the same."""
    made = flag(FlagRules(allow=("a",)), kind=kind, on_value=on_value, off_value=None)
    assert answer_question(made, FlagQuestion("f", "a", default)) == FlagAnswer(on_value, ON, FlagReason.ALLOWED)
    assert answer_question(made, FlagQuestion("f", "b", default)) == FlagAnswer(
        default, OFF, FlagReason.SHARE, is_default=True
    )


@pytest.mark.parametrize(
    ("rules", "killed_at", "side"),
    [
        (FlagRules(), None, OFF),
        (FlagRules(share=1_000_000), None, ON),
        (FlagRules(share=1_000_000), 5, OFF),
        (FlagRules(share=1_000_000, deny=("x",)), None, None),
        (FlagRules(share=10), None, None),
        (FlagRules(allow=("x",)), None, None),
    ],
)
def test_uniform_side(rules, killed_at, side):
    """A flag that gives all keys one side is no question any more."""
    assert flag(rules, killed_at=killed_at).uniform_side is side

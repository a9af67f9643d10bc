"""Changes of a flag: only what is stated changes, and what cannot be is refused with the fix."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import FlagKind, FlagRules
from mainspring.domain.flags.flag_change import FlagChange, check_flag_name, merge


def test_new_flag_is_a_boolean_that_is_off():
    """Nothing changes for anyone by its creation."""
    made = merge("f", None, FlagChange(), 5)
    assert (made.kind, made.on_value, made.off_value, made.rules) == (FlagKind.BOOLEAN, "true", "false", FlagRules())
    assert (made.created_at, made.changed_at, made.killed_at) == (5, 5, None)


def test_change_leaves_what_is_not_stated():
    """Each field by itself; None clears one."""
    made = merge("f", None, FlagChange(share=50_000, allow=("a",), owner="ops", expires_at=9), 5)
    changed = merge("f", made, FlagChange(share=250_000, owner=None, deny=("b", "b")), 6)
    assert changed.rules == FlagRules(deny=("b",), allow=("a",), share=250_000)
    assert (changed.owner, changed.expires_at, changed.created_at, changed.changed_at) == (None, 9, 5, 6)


@pytest.mark.parametrize(
    "change", [FlagChange(owner="ops", about="mails", expires_at=9), FlagChange(share=5), FlagChange(is_killed=False)]
)
def test_change_that_keeps_all_answers_keeps_their_instant(change):
    """How long all keys have had one side does not begin again with another owner or date, or with what is so already."""
    made = merge("f", None, FlagChange(share=5), 5)
    assert merge("f", made, change, 6).changed_at == 5
    killed = merge("f", made, FlagChange(is_killed=True), 6)
    assert (killed.changed_at, merge("f", killed, FlagChange(is_killed=True), 7).changed_at) == (6, 6)


def test_kill_stays_until_it_is_ended():
    """Other changes do not end it, and a second kill does not move its instant."""
    killed = merge("f", merge("f", None, FlagChange(), 1), FlagChange(is_killed=True), 2)
    assert merge("f", killed, FlagChange(share=1), 3).killed_at == 2
    assert merge("f", killed, FlagChange(is_killed=True), 3).killed_at == 2
    assert merge("f", killed, FlagChange(is_killed=False), 3).killed_at is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (FlagChange(share=1_000_001), "the share of flag 'f' is 100"),
        (FlagChange(share=-1), "the share of flag 'f' is -"),
        (FlagChange(kind=FlagKind.STRING), "no value for the keys that are on"),
        (FlagChange(on_value="5"), "is not of its type, boolean"),
        (FlagChange(on_value="null"), "is not of its type, boolean"),
        (FlagChange(kind=FlagKind.STRING, on_value="red"), "is not JSON"),
        (FlagChange(kind=FlagKind.NUMBER, on_value="true"), "is not of its type, number"),
        (FlagChange(kind=FlagKind.STRING, on_value='"a"', off_value="1"), "is not of its type, string"),
        (FlagChange(allow=tuple(map(str, range(1_001)))), "lists 1,001 values of allow"),
        (FlagChange(attributes={"country": tuple(map(str, range(1_001)))}), "lists 1,001 values of country"),
    ],
)
def test_bad_change_names_the_flag_and_the_fix(change, text):
    """Nothing is changed."""
    with pytest.raises(OptionError, match=text) as caught:
        merge("f", None, change, 5)
    assert caught.value.hint


def test_type_of_an_existing_flag_does_not_change():
    """Runs hold answers of the old type."""
    made = merge("f", None, FlagChange(), 5)
    with pytest.raises(OptionError, match="cannot become string") as caught:
        merge("f", made, FlagChange(kind=FlagKind.STRING, on_value='"x"'), 6)
    assert "mainspring flags delete" in caught.value.hint
    assert merge("f", made, FlagChange(kind=FlagKind.BOOLEAN, share=5), 6).rules.share == 5


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0", "x" * 501])
def test_bad_name_of_a_flag_is_refused(name):
    """As the name of a lock."""
    with pytest.raises(OptionError, match="not a valid name"):
        check_flag_name(name)

"""A value in a few words: the beginning of its JSON, without secrets, whatever it is."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.redaction import Redactor
from mainspring.domain.summary import LONGEST, summary_of

SECRET = "correct-horse-battery"
PLAIN = Redactor()


def test_small_value_is_shown_whole():
    """As it is stored."""
    assert summary_of(b'{"account":"main","rows":[1,2]}', PLAIN) == '{"account":"main","rows":[1,2]}'


def test_large_value_is_cut():
    """However wide, long or deep it is."""
    for value in ([0] * 100_000, {"a": "x" * 200_000}, {str(n): n for n in range(10_000)}):
        shown = summary_of(msgspec.json.encode(value), PLAIN)
        assert len(shown) <= LONGEST
        assert "…" in shown
    assert len(summary_of(b"[" * 900 + b"]" * 900, PLAIN)) <= LONGEST


def test_what_is_no_json_is_not_shown():
    """Such as a sealed value."""
    assert summary_of(b"\x00aes\x00abc", PLAIN) == ""
    assert summary_of(b"\xff", PLAIN) == ""
    assert summary_of(b"[" * 100_000, PLAIN) == ""


def test_secrets_are_hidden_before_it_is_cut():
    """By value, by name, and where the cut goes through one."""
    redactor = Redactor([SECRET])
    for value in ({"x": SECRET}, {"password": {"of": "me"}}, ["y" * 990 + SECRET], ["-" * 180 + SECRET]):
        shown = summary_of(msgspec.json.encode(value), redactor)
        assert "corr" not in shown
        assert "me" not in shown
    assert summary_of(b'{"token":"abc","n":1}', redactor) == '{"token":"***","n":1}'


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=4) | st.just(SECRET),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=40,
    )
)
def test_summary_is_short_and_holds_no_secret(value):
    """Of whatever JSON."""
    shown = summary_of(msgspec.json.encode(value), Redactor([SECRET]))
    assert len(shown) <= LONGEST
    assert SECRET[:8] not in shown

"""A value in a few words: the beginning of its JSON, without secrets, whatever it is."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.redaction.redactor import Redactor
from mainspring.domain.redaction.value_summary import MAX_SUMMARY_LENGTH, summarize_value

SECRET = "correct-horse-battery"
PLAIN = Redactor()


def test_small_value_is_displayed_whole():
    """As it is stored."""
    assert summarize_value(b'{"account":"main","rows":[1,2]}', PLAIN) == '{"account":"main","rows":[1,2]}'


def test_large_value_is_cut():
    """However wide, long or deep it is."""
    for value in ([0] * 100_000, {"a": "x" * 200_000}, {str(n): n for n in range(10_000)}):
        summary = summarize_value(msgspec.json.encode(value), PLAIN)
        assert len(summary) <= MAX_SUMMARY_LENGTH
        assert "…" in summary
    assert len(summarize_value(b"[" * 900 + b"]" * 900, PLAIN)) <= MAX_SUMMARY_LENGTH


def test_value_that_is_no_json_is_not_displayed():
    """Such as a sealed value."""
    assert summarize_value(b"\x00aes\x00abc", PLAIN) == ""
    assert summarize_value(b"\xff", PLAIN) == ""
    assert summarize_value(b"[" * 100_000, PLAIN) == ""


def test_secrets_are_hidden_before_it_is_cut():
    """By value, by name, and where the cut goes through one."""
    redactor = Redactor([SECRET])
    for value in ({"x": SECRET}, {"password": {"of": "me"}}, ["y" * 990 + SECRET], ["-" * 180 + SECRET]):
        summary = summarize_value(msgspec.json.encode(value), redactor)
        assert "corr" not in summary
        assert "me" not in summary
    assert summarize_value(b'{"token":"abc","n":1}', redactor) == '{"token":"***","n":1}'


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=4) | st.just(SECRET),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=40,
    )
)
def test_summary_is_short_and_holds_no_secret(value):
    """Of whatever JSON."""
    summary = summarize_value(msgspec.json.encode(value), Redactor([SECRET]))
    assert len(summary) <= MAX_SUMMARY_LENGTH
    assert SECRET[:8] not in summary

"""Bad text becomes printable without loss."""

import time

from hypothesis import example, given
from hypothesis import strategies as st

from mainspring.domain.text.escaping import decode_bytes, escape, unescape

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text("\\xu01d8b20\x1b\r\n\ud800\u202e\x9f", max_size=30)


@given(ANY_TEXT)
@example("\\\\\\x1b\x1b\\ud800")
def test_escape_gives_back_any_text_and_leaves_nothing_harmful(text: str) -> None:
    """Any text, lone surrogates included, survives the round trip and its escaped form is harmless."""
    escaped = escape(text)
    assert unescape(escaped) == text
    escaped.encode()
    assert not any((c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" or "\u202a" <= c <= "\u202e" for c in escaped)


@given(st.binary())
def test_decode_bytes_gives_back_any_bytes(data: bytes) -> None:
    """Any output of a program survives the round trip."""
    assert unescape(decode_bytes(data)).encode("utf-8", "surrogateescape") == data


@given(ANY_TEXT, st.integers(0, 60))
def test_escape_with_limit_is_never_longer_and_cuts_no_escape(text: str, limit: int) -> None:
    """A cut text fits its limit and its kept part is the escape of a beginning of the original."""
    escaped = escape(text, limit)
    assert len(escaped) <= limit
    head = escaped.partition("…[+")[0] if escaped != escape(text) else escaped
    assert text.startswith(unescape(head)) or "\\" in text or "…" in text


def test_escape_with_limit_reports_how_much_was_cut() -> None:
    """The mark counts the characters of the original that are not shown."""
    assert escape("\x1b" * 100, 40) == "\\x1b" * 5 + "…[+95 characters]"


def test_escape_displays_the_documented_forms() -> None:
    """Escapes are lower case, look-alikes are doubled, ordinary backslashes stay."""
    assert escape("\x1b[1m\ud800\r\n") == "\\x1b[1m\\ud800\\x0d\n"
    assert escape("\\x1b C:\\users") == "\\\\x1b C:\\users"


def test_escape_is_linear_in_long_runs_of_backslashes() -> None:
    """A megabyte of backslashes takes no quadratic time."""
    started = time.process_time()
    text = "\\" * 1_000_000 + "\x00"
    assert unescape(escape(text)) == text
    assert time.process_time() - started < 5

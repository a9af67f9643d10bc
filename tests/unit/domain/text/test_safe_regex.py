"""Which regular expressions are done soon."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.text.safe_regex import is_safe_regex
from mainspring.domain.values.json_schema import find_mismatch

USUAL = [
    r"^[A-Z]{3}-[0-9]{4,8}$", r"^\d{4}-\d{2}-\d{2}T.*Z$", r"^(card|bank|cash)$", r"^[^@\s]+@[^@\s]+$", r"\S", "", r"^(?:\+\d{1,3} )?\d+$",
    r"\A[\w.-]{1,63}\Z", r"^(?P<a>ab)*$", r"[\]\[]x", r"(?i)abc", r"^a{,3}b{2,}$", r"^\(x\)\|$", r"a{}b", r"^(?!x)\w+$",
]  # fmt: skip
SLOW = [
    r"(a+)+$", r"^(a|a)*$", r"^(a|ab)+c$", r"([a-z]+\.)+x", r"^(?:a?){40}a{40}$", r"(.*)(.*)(.*)x", r"(a)\1+", r"(?P<x>a+)(?P=x)",
    r"(?x) a b",     r"a?" * 30 + "a" * 30, r"((a{1,9}){1,9})+$", r"(?(1)a|b)", r"^(a{2}|b){9}$", "(", "[", ")",
]  # fmt: skip


@pytest.mark.parametrize("pattern", USUAL)
def test_usual_pattern_is_used_on_texts_of_usual_length(pattern):
    """Codes, dates, addresses and choices."""
    assert is_safe_regex(pattern, 100)


@pytest.mark.parametrize("pattern", SLOW)
def test_pattern_without_a_bound_is_not(pattern):
    """Repetitions of what repeats or chooses, references, and what is not understood."""
    assert not is_safe_regex(pattern, 100)


def test_longer_texts_leave_less_time():
    """Two repetitions may go as many ways as the text has pairs of places."""
    assert is_safe_regex(r"^[^@]+@[^@]+$", 300)
    assert not is_safe_regex(r"^[^@]+@[^@]+$", 1_000)
    assert is_safe_regex(r"^[a-z]+$", 90_000)


def test_slow_pattern_of_a_schema_is_left_to_the_reader():
    """A text that it would take years for keeps no one waiting; a quick one refuses as ever."""
    assert find_mismatch({"type": "string", "pattern": r"(a+)+$"}, "a" * 60 + "b") is None
    found = find_mismatch({"type": "string", "pattern": r"^a+$"}, "a" * 60 + "b")
    assert found is not None
    assert "matches '^a+$'" in found.why


PIECES = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ".",
            "a*",
            "a+?",
            "[ab]{1,3}",
            "(a|b)",
            "(?:ab)*",
            "(a",
            ")+",
            ")?",
            ")",
            "|",
            "^",
            "$",
            "{2}",
            "\\w+",
        ]
    ),
    max_size=8,
).map("".join)


@given(PIECES, st.integers(1, 60))
@settings(deadline=None, max_examples=300)
def test_quick_pattern_is_quick(pattern, length):
    """On the texts that make others slow."""
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    if is_safe_regex(pattern, length):
        started = time.process_time()
        for text in ("a" * (length - 1) + "c", "ab" * (length // 2), "b" * length):
            compiled.search(text)
        assert time.process_time() - started < 1


def test_pattern_of_another_dialect_is_left_to_the_reader():
    """pydantic writes patterns as Rust reads them; one of them stopped every trigger."""
    assert not is_safe_regex(r"^\p{L}+$", 5)


@pytest.mark.parametrize("pattern", ["a{99999999999999}", "(" * 3_000 + ")" * 3_000])
def test_pattern_that_is_too_much_for_python_is_not_quick(pattern):
    """The author gets that error, and hears of no error of ours."""
    assert not is_safe_regex(pattern, 5)

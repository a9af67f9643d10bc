"""Patterns that are compiled at their first use."""

import re

import pytest

from mainspring.domain.text.lazy_pattern import lazy_pattern


def test_lazy_pattern_answers_as_a_compiled_one():
    """Its methods and values are those of `re.compile`, at the first use and at every other."""
    lazy, compiled = lazy_pattern(r"(?P<n>a+)\b", re.IGNORECASE), re.compile(r"(?P<n>a+)\b", re.IGNORECASE)
    for _ in range(2):
        assert [match[0] for match in lazy.finditer("aA b AAA")] == ["aA", "AAA"]
        assert lazy.sub("-", "aa b") == compiled.sub("-", "aa b")
        assert lazy.fullmatch("ab") is None
        assert (lazy.pattern, lazy.flags, lazy.groupindex) == (compiled.pattern, compiled.flags, compiled.groupindex)


def test_lazy_pattern_is_not_compiled_before_its_first_use():
    """What is wrong with it is said by its first use."""
    lazy = lazy_pattern("(")
    with pytest.raises(re.error):
        lazy.search("")

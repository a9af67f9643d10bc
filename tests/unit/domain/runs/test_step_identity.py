"""Step names in identities."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.step_identity import escape_step_name, read_step_name, unescape_step_name
from mainspring.domain.runs.superseded_outcomes import read_branch

SIGNS = st.text(st.sampled_from("ab#/[]%12:und35BFDa "), min_size=1, max_size=12)
NAMES = st.one_of(
    SIGNS, st.text(min_size=1, max_size=20), st.sampled_from(["undo:a", "flag:x", "end:", "undo%3Aa", "undo"])
)
BRANCHES = st.lists(st.from_regex(re.compile(r"[a-z_.<>]{1,6}", re.ASCII), fullmatch=True), max_size=3)
SUFFIXES = st.one_of(st.integers(1, 20).map("#{}".format), st.text(max_size=8).map("[{}]".format))


@given(NAMES)
def test_a_name_comes_back_from_its_identity(name):
    """Escape and unescape are inverse, for all text."""
    assert unescape_step_name(escape_step_name(name)) == name


@given(NAMES)
def test_an_escaped_name_has_none_of_the_signs(name):
    """What separates the parts of an identity is not in a name, and no name starts as an identity of the engine."""
    escaped = escape_step_name(name)
    assert not set("#/[]") & set(escaped)
    assert not escaped.startswith(("undo:", "end:", "flag:", "signal:", "version:", "update:"))


@given(BRANCHES, NAMES, SUFFIXES)
def test_name_is_read_from_an_identity(branches, name, suffix):
    """As the author wrote it, for the sentences that people read."""
    ident = "".join(f"{part}#1/" for part in branches) + escape_step_name(name) + suffix
    assert read_step_name(ident) == name


@given(BRANCHES, NAMES, SUFFIXES, BRANCHES, NAMES, SUFFIXES)
def test_two_steps_have_two_identities(branches, name, suffix, other_branches, other_name, other_suffix):
    """Branch, name and use or key can be read from an identity, so that no two steps share one."""

    def identity(parts, text, end):
        return "".join(f"{part}#1/" for part in parts) + escape_step_name(text) + end

    first, second = (branches, name, suffix), (other_branches, other_name, other_suffix)
    assert (identity(*first) == identity(*second)) is (first == second)
    branch = read_branch(identity(*first))
    assert branch == "".join(f"{part}#1/" for part in branches)
    rest = identity(*first).removeprefix(branch)
    assert unescape_step_name(re.split(r"[#\[]", rest, maxsplit=1)[0]) == name


@pytest.mark.parametrize("name", ["send_mail", "<lambda>", "Straße 5 & 6", "a|b:c"])
def test_an_ordinary_name_is_not_changed(name):
    """Identities of runs in progress stay as they are."""
    assert escape_step_name(name) == name


@pytest.mark.parametrize("text", ["50%", "%", "%zz", "a%2", "100%25%"])
def test_text_of_earlier_versions_is_read(text):
    """A sign that begins no escape stays."""
    assert unescape_step_name(text) == text.replace("%25", "%")

"""Tag expressions: the workers that may execute a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError
from mainspring.domain.processes.tag_expression import (
    describe_required,
    list_missing_tags,
    matches,
    read_tag_expression,
)

TAGS = st.sampled_from(["gpu", "eu", "spot", "a.b:c/d-e_f"])
WORDS = st.tuples(st.booleans(), TAGS)
EXPRESSIONS = st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=3)


def write(parts, blanks=""):
    return f"{blanks}|{blanks}".join(
        f"{blanks}&{blanks}".join(f"{'!' if negated else ''}{blanks}{tag}" for negated, tag in part) for part in parts
    )


@given(EXPRESSIONS, st.frozensets(TAGS), st.sampled_from(["", " ", "  "]))
def test_expression_means_the_same_however_it_is_written(parts, tags, blanks):
    """`!` before `&` before `|`, with and without blanks; the one form is read as itself."""
    expression = read_tag_expression(write(parts, blanks))
    assert read_tag_expression(expression) == expression
    assert matches(expression, tags) == any(all((tag in tags) != negated for negated, tag in part) for part in parts)


@given(EXPRESSIONS)
def test_missing_tags_make_a_worker_fit_if_it_need_not_lack_one(parts):
    """The command that a person gets starts a worker that takes the run."""
    expression = read_tag_expression(write([[word for word in parts[0] if not word[0]] or [(False, "gpu")]]))
    assert matches(expression, list_missing_tags(expression))


@pytest.mark.parametrize(
    "text", ["", " ", "gpu &", "| gpu", "!!gpu", "g pu", "(gpu)", "gpu && eu", "\n", 7, None, True]
)
def test_nonsense_is_refused(text):
    """The error shows what is allowed."""
    with pytest.raises(OptionError) as raised:
        read_tag_expression(text)
    assert "gpu & eu" in raised.value.hint


def test_words_for_people():
    """One tag is named as such."""
    assert [describe_required(text) for text in ("gpu", "gpu & eu")] == ["tag gpu", "tags that fit gpu & eu"]
    assert list_missing_tags("!spot | gpu") == []

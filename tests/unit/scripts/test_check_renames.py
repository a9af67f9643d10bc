"""A tree whose names alone changed passes; whatever else changed is named."""

import ast

import pytest

import check_renames

OLD = '''
"""Old words."""
from a import told

def look(one, *, within=3):
    """Look."""
    for each in one:
        if each.ready:
            told(each, "ready")
    return within
'''


def differences(new):
    old, new = ast.parse(OLD), ast.parse(new)
    return [*check_renames.compare(old, new, "x.py"), *check_renames.mixed_names(old, new, "x.py")]


def test_names_docstrings_and_imports_may_change():
    """A local name becomes another one, everywhere in its function."""
    new = OLD.replace("one", "runs").replace("each", "run").replace("Old words.", "New.").replace("from a", "from b")
    assert differences(new) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("if each.ready", "while each.ready", "x.py:8: If became While"),
        ("each.ready", "each.is_ready", "x.py:8: attr='ready' -> attr='is_ready'"),
        ('"ready"', '"done"', "x.py:9: value='ready' -> value='done'"),
        ("return within", "return one", "x.py:10: within is within and one, which is one too"),
    ],
    ids=["structure", "attribute", "text", "two names become one"],
)
def test_other_changes_are_named(old, new, expected):
    """With its place."""
    assert differences(OLD.replace(old, new)) == [expected]

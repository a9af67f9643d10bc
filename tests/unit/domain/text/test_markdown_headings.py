"""Headings of a Markdown page, their anchors and sections."""

import pytest

from mainspring.domain.text.markdown_headings import find_headings, find_section, make_anchor

PAGE = """# Title

text

## One `code` & more

of one

### Below it

```sh
# a comment of a shell
```

## Two
"""


def test_headings_have_line_level_and_text():
    """A comment in fenced code is no heading."""
    assert list(find_headings(PAGE.splitlines())) == [
        (0, 1, "Title"),
        (4, 2, "One `code` & more"),
        (8, 3, "Below it"),
        (14, 2, "Two"),
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("On PostgreSQL", "on-postgresql"), ("One `code` & more", "one-code--more"), ("no_store", "no_store")],
)
def test_anchor_is_the_one_of_github(heading, anchor):
    """Lower case, without punctuation, with hyphens for spaces."""
    assert make_anchor(heading) == anchor


@pytest.mark.parametrize(
    ("anchor", "section"),
    [
        ("one-code--more", slice(4, 14)),
        ("below-it", slice(8, 14)),
        ("two", slice(14, 15)),
        ("title", slice(0, 15)),
        ("x", None),
    ],
)
def test_section_ends_before_the_next_heading_of_its_level(anchor, section):
    """Deeper headings belong to it; an unknown anchor has no section."""
    assert find_section(PAGE.splitlines(), anchor) == section

"""Runbooks in docstrings, and headings that are about an incident."""

import pytest

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.runbook import extract_runbook, extract_section, find_anchor
from mainspring.domain.states import IncidentState

PAGE = """# backup

## 403 AccessDenied
Turn the flag off.

```
# timeout
```

## `timeout`: the disk is slow
## f00dfeed1234
## Silence
"""


def incident(kind=IncidentKind.PERMANENT_ERROR, fingerprint="abc", text="1 run failed: upload: it broke", **facts):
    return Incident(
        id="i_1",
        subject=Subject("backup", kind, fingerprint),
        state=IncidentState.OPEN,
        severity=Severity.PAGE,
        text=text,
        hint=None,
        facts=facts,
        since_at=0,
        opened_at=0,
        changed_at=0,
        seen_at=0,
    )


@pytest.mark.parametrize(
    ("of", "anchor"),
    [
        (incident(code="http_403"), "403-accessdenied"),
        (incident(text="1 run failed: upload: 403 Forbidden"), "403-accessdenied"),
        (incident(code="timeout"), "timeout-the-disk-is-slow"),
        (incident(fingerprint="f00dfeed1234", code="http_403"), "f00dfeed1234"),
        (incident(IncidentKind.SILENCE, "", "no success for 26 h"), "silence"),
        (incident(code="dns"), None),
        (incident(text="4031 rows, 1.403 s, v403b"), None),
    ],
)
def test_anchor_is_that_of_the_heading_that_names_the_error(of, anchor):
    """The fingerprint before the code, the code before a status in the words; what is shown as code is no heading."""
    assert find_anchor(PAGE, of) == anchor


@pytest.mark.parametrize(
    "doc",
    [
        "Copy it.\n\nRunbook:\n    Turn the flag off.\n\n    Then retry.\n\nArgs:\n    x: y",
        "Copy it.\n\n## Runbook\nTurn the flag off.\n\nThen retry.\n## Notes\nno",
        "Copy it.\n\nRunbook\n-------\nTurn the flag off.\n\nThen retry.\n\nNotes\n-----\nno",
        "Runbook\nTurn the flag off.\n\nThen retry.",
    ],
)
def test_section_of_a_docstring_ends_at_the_next_heading(doc):
    """As the usual styles write one."""
    assert extract_runbook(doc) == "Turn the flag off.\n\nThen retry."


def test_section_of_a_page_is_that_of_its_anchor():
    """Until the next heading of its rank, with those below it; without the anchor it is the whole page, and what is long is cut."""
    page = "# a\nall\n## b\nof b\n### c\nof c\n```\n# no heading\n```\n## d\nof d"
    assert extract_section(page, "b") == "## b\nof b\n### c\nof c\n```\n# no heading\n```"
    assert extract_section(page, "d") == "## d\nof d"
    assert extract_section(page, None) == extract_section(page, "gone") == page
    assert len(extract_section("x" * 9_000, None)) == 4_002


def test_docstring_without_the_section_has_none():
    """A word in a sentence is no heading."""
    assert extract_runbook("See the runbook: it says all.\nRunbook is elsewhere.") == ""
    assert extract_runbook("") == ""

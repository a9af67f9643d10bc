"""Runbooks: the section of a docstring that is one, and the heading of a page that is about an error. Pure."""

import re
from collections.abc import Iterator
from textwrap import dedent

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.text.markdown_headings import find_headings, find_section

_LONGEST = 4_000
_RUNBOOK_HEADING = re.compile(r"(?:#+\s*)?runbook\s*:?\s*", re.IGNORECASE)
_NEXT_HEADING = re.compile(r"#+\s+\S.*|[A-Z][\w ]{0,30}:\s*")
_RULE = re.compile(r"[-=~]{3,}\s*")
_STATUS = re.compile(r"(?<![\w.])[1-5][0-9]{2}(?![\w.])")


def extract_runbook(doc: str) -> str:
    """Return the section of a docstring below "Runbook", "Runbook:" or "## Runbook", up to its next heading; "" if it has none."""
    lines = doc.splitlines()
    start = next((index for index, line in enumerate(lines) if _RUNBOOK_HEADING.fullmatch(line)), None)
    if start is None:
        return ""
    section_lines: list[str] = []
    for line, after in zip(lines[start + 1 :], [*lines[start + 2 :], ""], strict=True):
        if not section_lines and _RULE.fullmatch(line):
            continue
        if _NEXT_HEADING.fullmatch(line) or (line.strip() and _RULE.fullmatch(after)):
            break
        section_lines.append(line)
    return dedent("\n".join(section_lines)).strip()[:_LONGEST]


def find_anchor(page: str, incident: Incident) -> str | None:
    """Return the anchor of the heading of a Markdown page that is about this incident; None = there is none.

    A heading that names the fingerprint goes first, then one with the code of the error, then its HTTP status, then the kind.
    """
    headings = list(find_headings(page.splitlines()))
    for word in _incident_terms(incident):
        names = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        for heading in headings:
            if names.search(heading.text):
                return heading.anchor
    return None


def extract_section(page: str, anchor: str | None) -> str:
    """Return the section of a Markdown page below the heading of this anchor, up to the next of its rank; None = the whole page. It is
    cut.
    """
    lines = page.splitlines()
    section = None if anchor is None else find_section(lines, anchor)
    return _limit_lines(lines if section is None else lines[section])


def _limit_lines(lines: list[str]) -> str:
    text = "\n".join(lines).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n…"


def _incident_terms(incident: Incident) -> Iterator[str]:
    subject, code = incident.subject, incident.facts.get("code")
    if subject.fingerprint:
        yield subject.fingerprint
    if isinstance(code, str) and code:
        yield code
        yield code.removeprefix("http_")
    yield from _STATUS.findall(incident.text)
    yield subject.kind.value

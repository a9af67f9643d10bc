"""Markdown headings: the headings of a page with their anchors, and the section of one. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*\s*")
_FENCE = re.compile(r"\s*(?:```|~~~)")


class MarkdownHeading(NamedTuple):
    """A heading: the index of its line, its level (1 to 6) and its words."""

    line: int
    level: int
    text: str

    @property
    def anchor(self) -> str:
        """The anchor that GitHub and most others give it."""
        return make_anchor(self.text)


def make_anchor(heading: str) -> str:
    """Return the anchor that GitHub and most others give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def find_headings(lines: Sequence[str]) -> Iterator[MarkdownHeading]:
    """Yield the headings of a page, without those in fenced code."""
    is_code = False
    for index, line in enumerate(lines):
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code and (match := _HEADING.fullmatch(line)):
            yield MarkdownHeading(index, len(line) - len(line.lstrip("#")), match[1])


def find_section(lines: Sequence[str], anchor: str) -> slice | None:
    """Return the lines of the section of this anchor, up to the next heading of its level; None = no heading has it."""
    start: MarkdownHeading | None = None
    for heading in find_headings(lines):
        if start is None and heading.anchor == anchor:
            start = heading
        elif start is not None and heading.level <= start.level:
            return slice(start.line, heading.line)
    return None if start is None else slice(start.line, len(lines))

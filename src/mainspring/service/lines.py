"""Stored lines of log made readable: opened, unpacked, in the order in which they were written, with a word where some are missing."""

from collections.abc import Iterable, Sequence

from mainspring.domain.log_line import Level, LogLine
from mainspring.domain.log_part import dropped_text, unpacked
from mainspring.domain.opening import Opening
from mainspring.domain.sealing import sealed_in
from mainspring.store.reads.logs import StoredPart


def lines_of(parts: Iterable[StoredPart], opening: Opening, *, after: int | None = 1) -> list[LogLine]:
    """Return the lines of parts of one run.

    `after` = the number up to which lines were read before, plus one: a gap from there on is told; None = gaps are not told.
    """
    told: list[LogLine] = []
    for part in parts:
        missing = 0 if after is None else part.seq - after
        if missing > 0:
            told.append(_instead(part, dropped_text(missing)))
        told += _opened(part, opening)
        after = None if after is None else part.seq + part.lines
    return sorted(told, key=lambda line: line.at)


def last_lines(parts: Sequence[StoredPart], opening: Opening, count: int) -> list[LogLine]:
    """Return the last lines that an attempt wrote, without the word on its end."""
    return [line for line in lines_of(parts, opening, after=None) if not line.state][-count:]


def _opened(part: StoredPart, opening: Opening) -> list[LogLine]:
    data = opening.value(part.body) or b""
    sealed = sealed_in(data)
    if sealed is not None:
        return [_instead(part, f"({part.lines} lines sealed by codec {sealed.codec!r})")]
    try:
        return unpacked(data, run=part.run, workflow=part.automation, attempt=part.attempt)
    except ValueError as error:
        return [_instead(part, f"({part.lines} lines that cannot be read: {error})")]


def _instead(part: StoredPart, text: str) -> LogLine:
    return LogLine(at=part.first_at, level=Level.WARNING, text=text, run=part.run, workflow=part.automation)

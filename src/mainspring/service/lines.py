"""Stored lines of log made readable: opened, unpacked, in the order in which they were written, with a word where some are missing."""

from collections.abc import Callable, Iterable, Sequence

from mainspring.domain.log_line import Level, LogLine
from mainspring.domain.log_part import dropped_text, unpacked
from mainspring.domain.monitors.words import many
from mainspring.domain.opening import Opening
from mainspring.domain.sealing import sealed_in
from mainspring.store.reads.logs import StoredPart

_AT_ONCE = 20
"""Parts that are opened before it is looked whether there are lines enough."""


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


def newest_lines(
    parts: Sequence[StoredPart], opening: Opening, count: int, wanted: Callable[[LogLine], bool]
) -> list[LogLine]:
    """Return the newest lines that are wanted, in the order in which they were written; `parts` end one after the other.

    No more parts are opened than are needed to know that no older one has a newer line.
    """
    told: list[LogLine] = []
    for left in range(len(parts), 0, -_AT_ONCE):
        some = parts[max(0, left - _AT_ONCE) : left]
        if len(told) >= count and told[-count].at >= some[-1].last_at:
            break
        told = sorted([*filter(wanted, lines_of(some, opening, after=None)), *told], key=lambda line: line.at)
    return told[-count:]


def last_lines(parts: Sequence[StoredPart], opening: Opening, count: int) -> list[LogLine]:
    """Return the last lines that an attempt wrote, without the word on its end."""
    return [line for line in lines_of(parts, opening, after=None) if not line.state][-count:]


def _opened(part: StoredPart, opening: Opening) -> list[LogLine]:
    data = opening.value(part.body) or b""
    sealed = sealed_in(data)
    if sealed is not None:
        return [_instead(part, f"({many(part.lines, 'line')} sealed by codec {sealed.codec!r})")]
    try:
        return unpacked(data, run=part.run, workflow=part.automation, attempt=part.attempt)
    except ValueError as error:
        return [_instead(part, f"({many(part.lines, 'line')} that cannot be read: {error})")]


def _instead(part: StoredPart, text: str) -> LogLine:
    return LogLine(at=part.first_at, level=Level.WARNING, text=text, run=part.run, workflow=part.automation)

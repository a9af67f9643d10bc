"""Log lines of a run, unsealed and unpacked, in the order in which they were written, with a placeholder where some are missing."""

from collections.abc import Callable, Iterable, Sequence

from mainspring.domain.runs.log_chunk import describe_dropped_lines, unpack_lines
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.text.phrases import format_count
from mainspring.domain.values.sealing import split_sealed
from mainspring.store.read.runs.logs import StoredPart

_AT_ONCE = 20
"""Parts that are unsealed before the count of lines is checked."""


def read_lines(parts: Iterable[StoredPart], opening: RowUnsealer, *, after: int | None = 1) -> list[LogLine]:
    """Return the lines of parts of one run.

    `after` = the number up to which lines were read before, plus one: a gap from there on gets a placeholder; None = no placeholders.
    """
    lines: list[LogLine] = []
    for part in parts:
        missing = 0 if after is None else part.seq - after
        if missing > 0:
            lines.append(_placeholder_line(part, describe_dropped_lines(missing)))
        lines += _unseal_lines(part, opening)
        after = None if after is None else part.seq + part.lines
    return sorted(lines, key=lambda line: line.at)


def number_lines(parts: Iterable[StoredPart], opening: RowUnsealer, since: int) -> list[tuple[int, LogLine]]:
    """Return the lines after the number `since` with their numbers, in stored order; a gap has a placeholder line."""
    numbered: list[tuple[int, LogLine]] = []
    for part in parts:
        if part.seq > since + 1:
            numbered.append((part.seq - 1, _placeholder_line(part, describe_dropped_lines(part.seq - since - 1))))
        lines = [*enumerate(_unseal_lines(part, opening), part.seq)]
        numbered += [(number, line) for number, line in lines if number > since]
        since = max(since, part.seq + part.lines - 1)
    return numbered


def read_newest_lines(
    parts: Sequence[StoredPart], opening: RowUnsealer, count: int, matches: Callable[[LogLine], bool]
) -> list[LogLine]:
    """Return the newest lines that match, in the order in which they were written; `parts` end one after the other.

    It unseals no more parts than needed to know that no older one has a newer line.
    """
    lines: list[LogLine] = []
    for end in range(len(parts), 0, -_AT_ONCE):
        batch = parts[max(0, end - _AT_ONCE) : end]
        if len(lines) >= count and lines[-count].at >= batch[-1].last_at:
            break
        lines = sorted([*filter(matches, read_lines(batch, opening, after=None)), *lines], key=lambda line: line.at)
    return lines[-count:]


def read_last_lines(parts: Sequence[StoredPart], opening: RowUnsealer, count: int) -> list[LogLine]:
    """Return the last lines that an attempt wrote, without the line about its end."""
    return [line for line in read_lines(parts, opening, after=None) if not line.state][-count:]


def _unseal_lines(part: StoredPart, opening: RowUnsealer) -> list[LogLine]:
    data = opening.value(part.body) or b""
    sealed = split_sealed(data)
    if sealed is not None:
        return [_placeholder_line(part, f"({format_count(part.lines, 'line')} sealed by codec {sealed.codec!r})")]
    try:
        return unpack_lines(data, run=part.run, workflow=part.automation, attempt=part.attempt)
    except ValueError as error:
        return [_placeholder_line(part, f"({format_count(part.lines, 'line')} that cannot be read: {error})")]


def _placeholder_line(part: StoredPart, text: str) -> LogLine:
    return LogLine(at=part.first_at, level=Level.WARNING, text=text, run=part.run, workflow=part.automation)

"""What is reported a command's output, line by line, within its bounds."""

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES, MAX_RUN_BYTES, LogChunk, unpack_lines
from mainspring.engine.commands.exec_run_lines import ExecRunLines

LINES = [f"{number:099}" for number in range(30_000)]


@pytest.mark.parametrize("size", [4_093, 65_531])
def test_halves_on_both_sides_of_a_gap_are_not_reported_as_one_line(size: int) -> None:
    """However the output is cut into pieces, each line told is one that was printed, and those missing are counted."""
    parts: list[LogChunk] = []
    lines = ExecRunLines("x#1", "x", SystemClock(), parts.append)
    printed = "".join(f"{line}\n" for line in LINES).encode()
    assert len(printed) > MAX_RUN_BYTES // 2
    for start in range(0, len(printed), size):
        lines.take(1, "stdout", printed[start : start + size])
    lines.end(1)
    texts = [line.text for part in parts for line in unpack_lines(part.body)]
    assert (texts[0], texts[-1]) == (LINES[0], LINES[-1])
    assert set(texts) <= set(LINES)
    assert len(texts) + sum(part.skipped for part in parts) == len(LINES)


def test_of_very_many_short_lines_no_more_are_made_than_a_run_keeps() -> None:
    """A million of them are two megabytes: only the first and last ones are looked at, for the rest would be dropped again."""
    parts: list[LogChunk] = []
    lines = ExecRunLines("x#1", "x", SystemClock(), parts.append)
    for _ in range(100):
        lines.take(1, "stdout", b"y\n" * 10_000)
    lines.end(1)
    made = sum(part.lines for part in parts)
    assert DEFAULT_MAX_LINES <= made <= 5 * DEFAULT_MAX_LINES
    assert made + sum(part.skipped for part in parts) == 1_000_000

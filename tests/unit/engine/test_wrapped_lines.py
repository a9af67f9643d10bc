"""What is told of a command's output, line by line, within its bounds."""

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.log_part import MOST_BYTES, Part, unpacked
from mainspring.engine.wrapped_lines import WrappedLines

LINES = [f"{number:07}" for number in range(500_000)]


@pytest.mark.parametrize("size", [4_093, 4_096, 65_536, 65_531])
def test_halves_on_both_sides_of_a_gap_are_not_told_as_one_line(size: int) -> None:
    """However the output is cut into pieces, each line told is one that was printed, and those missing are counted."""
    parts: list[Part] = []
    lines = WrappedLines("x#1", "x", SystemClock(), parts.append)
    printed = "".join(f"{line}\n" for line in LINES).encode() * 2
    assert len(printed) > MOST_BYTES
    for start in range(0, len(printed), size):
        lines.take(1, "stdout", printed[start : start + size])
    lines.end(1)
    texts = [line.text for part in parts for line in unpacked(part.body)]
    assert (texts[0], texts[-1]) == (LINES[0], LINES[-1])
    assert set(texts) <= set(LINES)
    assert abs(len(texts) + sum(part.skipped for part in parts) - 2 * len(LINES)) <= 1

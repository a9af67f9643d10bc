"""The steps of a run as bars on one scale: pure geometry, which the template renders as SVG.

Time without a running step is compressed: three days of sleep do not flatten three seconds of work.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from mainspring.domain.failures.failure import short_type_name
from mainspring.domain.states import OutcomeState, RunState
from mainspring.insight.runs.steps import StepLine, StepTry
from mainspring.insight.text.formatting import format_span

WIDE: Final = 1000
"""Units from the first start to the last end."""
_LEAST = 5.0
_GAPS = 0.4
"""The share of the width, relative to that of the work, for all the idle time."""
_TRIES = 12
_COUNTED_STATES = (OutcomeState.SUCCEEDED, RunState.RUNNING)


class StepBar(msgspec.Struct, frozen=True):
    """One bar; `style` = "solid", "hollow" or "dots"; `tone` = of its state; `title` = its text for screen readers."""

    x: float
    width: float
    style: str
    tone: str
    title: str


class TimeAxis:
    """The axis: converts instants to units."""

    def __init__(self, lines: Sequence[StepLine], now: int) -> None:
        work = _merge_intervals(
            [
                (attempt.started_at, _end_of_try(attempt, now))
                for line in lines
                if not line.is_wait
                for attempt in line.tries
            ]
        )
        ends = [
            at for line in lines for attempt in line.tries for at in (attempt.started_at, _end_of_try(attempt, now))
        ]
        edges = sorted({*ends, *(at for pair in work for at in pair)}) or [0]
        starts = [start for start, _ in work]
        is_work = []
        for at in edges[:-1]:
            place = bisect_right(starts, at) - 1
            is_work.append(place >= 0 and at < work[place][1])
        pieces = [after - before for before, after in pairwise(edges)]
        busy = sum(piece for piece, is_working in zip(pieces, is_work, strict=True) if is_working)
        idle = sum(1 for is_working in is_work if not is_working)
        longest_idle = busy * _GAPS / idle if idle and busy else float("inf")
        self._edges, self._places = edges, [0.0]
        for piece, is_working in zip(pieces, is_work, strict=True):
            self._places.append(self._places[-1] + (piece if is_working else min(piece, longest_idle)))
        self._scale = WIDE / self._places[-1] if self._places[-1] else 0.0

    def place(self, at: int) -> float:
        """Return the position of an instant in units."""
        index = min(max(bisect_right(self._edges, at) - 1, 0), len(self._edges) - 1)
        before = self._places[index]
        if index + 1 == len(self._edges):
            return before * self._scale
        whole = self._edges[index + 1] - self._edges[index]
        part = min(max(at - self._edges[index], 0), whole) / whole
        return (before + part * (self._places[index + 1] - before)) * self._scale


def draw_bars(lines: Sequence[StepLine], now: int) -> list[list[StepBar]]:
    """Return the bars of each line: solid = the last attempt, hollow = failed ones, dots = waiting."""
    axis = TimeAxis(lines, now)
    return [_draw_line(line, axis, now) for line in lines]


def _draw_line(line: StepLine, axis: TimeAxis, now: int) -> list[StepBar]:
    tries, bars = line.tries[-_TRIES:], list[StepBar]()
    for index, attempt in enumerate(tries):
        end = _end_of_try(attempt, now)
        is_last = index == len(tries) - 1
        title = f"attempt {attempt.number}: {attempt.state.replace('_', ' ')}, {format_span(attempt.duration_ms(now))}"
        if line.is_wait:
            title = f"{line.kind}: {format_span(attempt.duration_ms(now))}"
        elif attempt.failure is not None:
            title += f", {short_type_name(attempt.failure.type)}"
        style = "dots" if line.is_wait else "solid" if is_last and attempt.state in _COUNTED_STATES else "hollow"
        bars.append(
            _draw_bar(axis, attempt.started_at, end, style, RunState.WAITING if line.is_wait else attempt.state, title)
        )
        following = now if is_last else tries[index + 1].started_at
        if following > end and (not is_last or attempt.next_at is not None):
            bars.append(
                _draw_bar(axis, end, following, "dots", RunState.RETRYING, f"waits for attempt {attempt.number + 1}")
            )
    return bars


def _draw_bar(axis: TimeAxis, start: int, end: int, style: str, tone: str, title: str) -> StepBar:
    x = axis.place(start)
    width = max(axis.place(end) - x, _LEAST)
    return StepBar(
        round(min(x, WIDE - _LEAST), 1), round(min(width, WIDE - min(x, WIDE - _LEAST)), 1), style, tone, title
    )


def _end_of_try(attempt: StepTry, now: int) -> int:
    return max(now if attempt.ended_at is None else attempt.ended_at, attempt.started_at)


def _merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return merged intervals that do not touch, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged

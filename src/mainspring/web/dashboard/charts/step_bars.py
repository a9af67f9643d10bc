"""The steps of a run as bars of one scale: pure geometry, from which the template draws SVG.

Time in which no step ran is left out as far as it can be: three days of sleep do not flatten three seconds of work.
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
"""So much of the width, beside that of the work, is for all the time in which nothing ran."""
_TRIES = 12
_COUNTED_STATES = (OutcomeState.SUCCEEDED, RunState.RUNNING)


class StepBar(msgspec.Struct, frozen=True):
    """One piece; `look` = "solid", "hollow" or "dots"; `tone` = the word of its state; `title` = what it says to whoever cannot see it."""

    x: float
    width: float
    look: str
    tone: str
    title: str


class TimeAxis:
    """Where an instant lies."""

    def __init__(self, lines: Sequence[StepLine], now: int) -> None:
        work = _merge_intervals(
            [(one.started_at, _end_of_try(one, now)) for line in lines if not line.is_wait for one in line.tries]
        )
        ends = [at for line in lines for one in line.tries for at in (one.started_at, _end_of_try(one, now))]
        edges = sorted({*ends, *(at for pair in work for at in pair)}) or [0]
        starts = [start for start, _ in work]
        is_work = []
        for at in edges[:-1]:
            place = bisect_right(starts, at) - 1
            is_work.append(place >= 0 and at < work[place][1])
        pieces = [after - before for before, after in pairwise(edges)]
        busy = sum(piece for piece, works in zip(pieces, is_work, strict=True) if works)
        idle = sum(1 for works in is_work if not works)
        most = busy * _GAPS / idle if idle and busy else float("inf")
        self._edges, self._places = edges, [0.0]
        for piece, works in zip(pieces, is_work, strict=True):
            self._places.append(self._places[-1] + (piece if works else min(piece, most)))
        self._scale = WIDE / self._places[-1] if self._places[-1] else 0.0

    def place(self, at: int) -> float:
        """Return it in units."""
        index = min(max(bisect_right(self._edges, at) - 1, 0), len(self._edges) - 1)
        before = self._places[index]
        if index + 1 == len(self._edges):
            return before * self._scale
        whole = self._edges[index + 1] - self._edges[index]
        part = min(max(at - self._edges[index], 0), whole) / whole
        return (before + part * (self._places[index + 1] - before)) * self._scale


def draw_bars(lines: Sequence[StepLine], now: int) -> list[list[StepBar]]:
    """Return the bars of each line: solid = the attempt that counts, hollow = those that failed, dots = waiting."""
    axis = TimeAxis(lines, now)
    return [_draw_line(line, axis, now) for line in lines]


def _draw_line(line: StepLine, axis: TimeAxis, now: int) -> list[StepBar]:
    tries, found = line.tries[-_TRIES:], list[StepBar]()
    for place, one in enumerate(tries):
        end = _end_of_try(one, now)
        is_last = place == len(tries) - 1
        title = f"attempt {one.number}: {one.state.replace('_', ' ')}, {format_span(one.took(now))}"
        if line.is_wait:
            title = f"{line.kind}: {format_span(one.took(now))}"
        elif one.failure is not None:
            title += f", {short_type_name(one.failure.type)}"
        look = "dots" if line.is_wait else "solid" if is_last and one.state in _COUNTED_STATES else "hollow"
        found.append(_draw_bar(axis, one.started_at, end, look, RunState.WAITING if line.is_wait else one.state, title))
        following = now if is_last else tries[place + 1].started_at
        if following > end and (not is_last or one.next_at is not None):
            found.append(
                _draw_bar(axis, end, following, "dots", RunState.RETRYING, f"waits for attempt {one.number + 1}")
            )
    return found


def _draw_bar(axis: TimeAxis, start: int, end: int, look: str, tone: str, title: str) -> StepBar:
    x = axis.place(start)
    width = max(axis.place(end) - x, _LEAST)
    return StepBar(
        round(min(x, WIDE - _LEAST), 1), round(min(width, WIDE - min(x, WIDE - _LEAST)), 1), look, tone, title
    )


def _end_of_try(one: StepTry, now: int) -> int:
    return max(now if one.ended_at is None else one.ended_at, one.started_at)


def _merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return intervals that do not touch, in order."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found

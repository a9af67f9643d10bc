"""A timeline of the next week: starts as bars on a line of 168 hours, drawn as few paths, whatever their number. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from mainspring.domain.time.cron import find_zone, to_local
from mainspring.insight.automations.agenda import SPAN_MS, Agenda, AgendaLine, AgendaStart, ClockDay, list_day_starts
from mainspring.insight.text.formatting import format_instant

WIDTH: Final = 2016
"""Units of the whole line: five minutes each."""
HEIGHT: Final = 24
_TOP, _BAR = 4, 16
_LEAST = 6
_LEAST_MS = (_LEAST - 1) * SPAN_MS // WIDTH
_TALLEST = 60
_UNITS_PER_MS = WIDTH / SPAN_MS


class TimelineBand(msgspec.Struct, frozen=True):
    """A range in units; `text` describes it."""

    x: int
    width: int
    text: str


class DayMark(msgspec.Struct, frozen=True):
    """The beginning of a day: `percent` of the line, and its label."""

    x: int
    percent: str
    text: str


class TimelineLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line: paths of starts within the limits, and of crowded ones; `often` = a band without single starts."""

    line: AgendaLine
    free: str
    crowded: str
    often: TimelineBand | None
    clock_days: tuple[TimelineBand, ...]


def draw_line(agenda: Agenda, line: AgendaLine) -> TimelineLine:
    """Draw the line of an automation."""
    often = None
    if line.often_from_at is not None:
        x = _position(agenda, line.often_from_at)
        often = TimelineBand(x, WIDTH - x, "starts too often to be drawn")
    return TimelineLine(
        line=line,
        free=_draw_path(agenda, (start for start in line.starts if not start.is_crowded)),
        crowded=_draw_path(agenda, (start for start in line.starts if start.is_crowded)),
        often=often,
        clock_days=tuple(draw_band(agenda, day) for day in line.clock_days),
    )


def draw_band(agenda: Agenda, day: ClockDay) -> TimelineBand:
    """Return the band of a day with a clock change."""
    x = _position(agenda, day.begin_at)
    return TimelineBand(
        x,
        _position(agenda, day.end_at) - x,
        f"{day.change.value} on {format_instant(day.begin_at, day.zone)[:10]} ({day.zone})",
    )


def draw_day_marks(agenda: Agenda, zone: str) -> list[DayMark]:
    """Return the beginnings of days in a zone."""
    marks = []
    for at in list_day_starts(zone, agenda.from_at, agenda.until_at):
        share = (at - agenda.from_at) / (agenda.until_at - agenda.from_at)
        marks.append(DayMark(_position(agenda, at), f"{100 * share:.2f}%", _format_day(at, zone)))
    return marks


def draw_hours(agenda: Agenda) -> str:
    """Return the starts of each hour as bars, relative to the busiest hour."""
    most = max(agenda.hours, default=0)
    width = WIDTH // len(agenda.hours)
    parts = []
    for place, number in enumerate(agenda.hours):
        if number:
            height = max(2, round(_TALLEST * number / most))
            parts.append(f"M{place * width + 1} {_TALLEST}h{width - 2}v-{height}h-{width - 2}z")
    return "".join(parts)


def find_busiest_hour(agenda: Agenda) -> tuple[int, int]:
    """Return the start of the hour with the most starts, and their number."""
    largest = max(agenda.hours, default=0)
    return agenda.from_at + agenda.hours.index(largest) * 3_600_000, largest


def _draw_path(agenda: Agenda, starts: Iterable[AgendaStart]) -> str:
    """Return bars as one path; bars that touch are merged."""
    parts: list[tuple[int, int]] = []
    for start in starts:
        begin = _position(agenda, start.start_at)
        # Most starts are shorter than the least bar: their end is not computed.
        is_short = start.end_at - start.start_at <= _LEAST_MS
        end = min(begin + _LEAST if is_short else max(_position(agenda, start.end_at), begin + _LEAST), WIDTH)
        if parts and begin < parts[-1][1]:
            parts[-1] = (parts[-1][0], max(end, parts[-1][1]))
        else:
            parts.append((begin, end))
    return "".join(f"M{begin} {_TOP}h{end - begin}v{_BAR}h{begin - end}z" for begin, end in parts if end > begin)


def _position(agenda: Agenda, at: int) -> int:
    return min(max(round((at - agenda.from_at) * _UNITS_PER_MS), 0), WIDTH)


def _format_day(at: int, zone: str) -> str:
    return f"{to_local(at, find_zone(zone)):%a %d}"

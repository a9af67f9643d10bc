"""A strip: the newest runs as cells, the newest at the right; as high as each took beside the others, in the tone of its state."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final, NamedTuple

from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text.formatting import format_span
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.web.pages.status_icons import state_tone

HEIGHT: Final = 24
_CELL, _GAP = 6, 2
_LEAST = 0.2
"""The lowest cell, so that one that took nothing is seen."""


class StripCell(NamedTuple):
    """One run."""

    x: int
    y: float
    width: int
    height: float
    tone: str
    run: str
    said: str


class RunStrip(NamedTuple):
    """`said` = what it shows, in words. `linked` = cells that lead to their runs, oldest first; `paths` = the others by tone."""

    width: int
    height: int
    linked: list[StripCell]
    paths: list[tuple[str, str]]
    said: str


def draw_strip(runs: Sequence[RunMark], places: int, now: int) -> RunStrip:
    """Draw runs, newest first, at the right of so many places; each cell leads to its run."""
    return draw_brief_strip(runs, places, now, None)


def draw_brief_strip(runs: Sequence[RunMark], places: int, now: int, links: int | None = 0) -> RunStrip:
    """Draw runs as one of many strips on a page: but so many of the newest that stopped lead to their runs, for links are heavy.

    None = all runs lead there.
    """
    shown = runs[:places]
    linked = shown if links is None else [run for run in shown if run.state in REOPENABLE_STATES][:links]
    leads = {run.run for run in linked}
    cells: list[StripCell] = []
    drawn: dict[str, list[str]] = {}
    for run, x, height, ms in _list_columns(shown, places, now):
        y, tone = round(HEIGHT - height, 1), state_tone(run.state)
        if run.run in leads:
            cells.append(StripCell(x, y, _CELL, height, tone, run.run, _describe_run(run, ms)))
        else:
            drawn.setdefault(tone, []).append(f"M{x} {y:g}h{_CELL}V{HEIGHT}h-{_CELL}z")
    paths = [(tone, "".join(parts)) for tone, parts in drawn.items()]
    return RunStrip(places * (_CELL + _GAP) - _GAP, HEIGHT, cells, paths, _describe_strip(shown))


def _list_columns(shown: Sequence[RunMark], places: int, now: int) -> Iterator[tuple[RunMark, int, float, int]]:
    """Give each run, oldest first, with its place from the left, how high it stands and what it took."""
    took = [_run_duration(one, now) for one in shown]
    longest = max(took, default=0) or 1
    for place in range(len(shown) - 1, -1, -1):
        ms = took[place]
        # The root keeps one long run from making all others flat.
        height = round(HEIGHT * max(sqrt(ms / longest), _LEAST), 1)
        yield shown[place], (places - 1 - place) * (_CELL + _GAP), height, ms


def _run_duration(one: RunMark, now: int) -> int:
    if one.started_at is None:
        return 0
    return max((one.finished_at or now) - one.started_at, 0)


def _describe_run(one: RunMark, ms: int) -> str:
    word = one.state.replace("_", " ")
    if one.started_at is None:
        return word
    return f"{word}, took {format_span(ms)}" if one.finished_at is not None else f"{word} for {format_span(ms)}"


def _describe_strip(shown: Sequence[RunMark]) -> str:
    if not shown:
        return "no run yet"
    counted: dict[str, int] = {}
    for one in shown:
        counted[one.state] = counted.get(one.state, 0) + 1
    words = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
    return f"The newest {len(shown)}: {words}; the last is {shown[0].state.replace('_', ' ')}."

"""A strip: the newest runs as cells, the newest at the right; as high as each took beside the others, in the tone of its state."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final, NamedTuple

from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.words import span
from mainspring.store.reads.automations import RunMark
from mainspring.web.marks import tone_of

HEIGHT: Final = 24
_CELL, _GAP = 6, 2
_LEAST = 0.2
"""The lowest cell, so that one that took nothing is seen."""


class Cell(NamedTuple):
    """One run."""

    x: int
    y: float
    width: int
    height: float
    tone: str
    run: str
    said: str


class Strip(NamedTuple):
    """`said` = what it shows, in words. `linked` = cells that lead to their runs, oldest first; `paths` = the others by tone."""

    width: int
    height: int
    linked: list[Cell]
    paths: list[tuple[str, str]]
    said: str


def strip_of(runs: Sequence[RunMark], places: int, now: int) -> Strip:
    """Draw runs, newest first, at the right of so many places; each cell leads to its run."""
    return brief_strip_of(runs, places, now, None)


def brief_strip_of(runs: Sequence[RunMark], places: int, now: int, links: int | None = 0) -> Strip:
    """Draw runs as one of many strips on a page: but so many of the newest that stopped lead to their runs, for links are heavy.

    None = all runs lead there.
    """
    shown = runs[:places]
    linked = shown if links is None else [run for run in shown if run.state in REOPENABLE_STATES][:links]
    leads = {run.run for run in linked}
    cells: list[Cell] = []
    drawn: dict[str, list[str]] = {}
    for run, x, height, ms in _columns(shown, places, now):
        y, tone = round(HEIGHT - height, 1), tone_of(run.state)
        if run.run in leads:
            cells.append(Cell(x, y, _CELL, height, tone, run.run, _said(run, ms)))
        else:
            drawn.setdefault(tone, []).append(f"M{x} {y:g}h{_CELL}V{HEIGHT}h-{_CELL}z")
    paths = [(tone, "".join(parts)) for tone, parts in drawn.items()]
    return Strip(places * (_CELL + _GAP) - _GAP, HEIGHT, cells, paths, _in_words(shown))


def _columns(shown: Sequence[RunMark], places: int, now: int) -> Iterator[tuple[RunMark, int, float, int]]:
    """Give each run, oldest first, with its place from the left, how high it stands and what it took."""
    took = [_took(one, now) for one in shown]
    longest = max(took, default=0) or 1
    for place in range(len(shown) - 1, -1, -1):
        ms = took[place]
        # The root keeps one long run from making all others flat.
        height = round(HEIGHT * max(sqrt(ms / longest), _LEAST), 1)
        yield shown[place], (places - 1 - place) * (_CELL + _GAP), height, ms


def _took(one: RunMark, now: int) -> int:
    if one.started_at is None:
        return 0
    return max((one.finished_at or now) - one.started_at, 0)


def _said(one: RunMark, ms: int) -> str:
    word = one.state.replace("_", " ")
    if one.started_at is None:
        return word
    return f"{word}, took {span(ms)}" if one.finished_at is not None else f"{word} for {span(ms)}"


def _in_words(shown: Sequence[RunMark]) -> str:
    if not shown:
        return "no run yet"
    counted: dict[str, int] = {}
    for one in shown:
        counted[one.state] = counted.get(one.state, 0) + 1
    words = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
    return f"The newest {len(shown)}: {words}; the last is {shown[0].state.replace('_', ' ')}."

"""A run strip: the newest runs as cells, the newest at the right; the height is the duration, the tone the state."""

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
"""The lowest cell, so that a run of no duration is visible."""


class StripCell(NamedTuple):
    """One run."""

    x: int
    y: float
    width: int
    height: float
    tone: str
    run: str
    description: str


class RunStrip(NamedTuple):
    """`linked` = cells with links to their runs, oldest first; `paths` = the others by tone."""

    width: int
    height: int
    linked: list[StripCell]
    paths: list[tuple[str, str]]
    description: str


def draw_strip(runs: Sequence[RunMark], places: int, now: int) -> RunStrip:
    """Draw runs, newest first, at the right of this many places; each cell is a link to its run."""
    return draw_brief_strip(runs, places, now, None)


def draw_brief_strip(runs: Sequence[RunMark], places: int, now: int, links: int | None = 0) -> RunStrip:
    """Draw runs as one of many strips on a page. Only this many of the newest stopped runs have links, because links are large.

    None = all runs have links.
    """
    visible_runs = runs[:places]
    linked = visible_runs if links is None else [run for run in visible_runs if run.state in REOPENABLE_STATES][:links]
    linked_ids = {run.run for run in linked}
    cells: list[StripCell] = []
    parts_by_tone: dict[str, list[str]] = {}
    for run, x, height, ms in _list_columns(visible_runs, places, now):
        y, tone = round(HEIGHT - height, 1), state_tone(run.state)
        if run.run in linked_ids:
            cells.append(StripCell(x, y, _CELL, height, tone, run.run, _describe_run(run, ms)))
        else:
            parts_by_tone.setdefault(tone, []).append(f"M{x} {y:g}h{_CELL}V{HEIGHT}h-{_CELL}z")
    paths = [(tone, "".join(parts)) for tone, parts in parts_by_tone.items()]
    return RunStrip(places * (_CELL + _GAP) - _GAP, HEIGHT, cells, paths, _describe_strip(visible_runs))


def _list_columns(visible_runs: Sequence[RunMark], places: int, now: int) -> Iterator[tuple[RunMark, int, float, int]]:
    """Yield each run, oldest first, with its x, its height and its duration."""
    durations = [_run_duration(run, now) for run in visible_runs]
    longest = max(durations, default=0) or 1
    for index in range(len(visible_runs) - 1, -1, -1):
        ms = durations[index]
        # The root keeps one long run from making all others flat.
        height = round(HEIGHT * max(sqrt(ms / longest), _LEAST), 1)
        yield visible_runs[index], (places - 1 - index) * (_CELL + _GAP), height, ms


def _run_duration(run: RunMark, now: int) -> int:
    if run.started_at is None:
        return 0
    return max((run.finished_at or now) - run.started_at, 0)


def _describe_run(run: RunMark, ms: int) -> str:
    word = run.state.replace("_", " ")
    if run.started_at is None:
        return word
    return f"{word}, took {format_span(ms)}" if run.finished_at is not None else f"{word} for {format_span(ms)}"


def _describe_strip(visible_runs: Sequence[RunMark]) -> str:
    if not visible_runs:
        return "no run yet"
    counted: dict[str, int] = {}
    for run in visible_runs:
        counted[run.state] = counted.get(run.state, 0) + 1
    words = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
    return f"The newest {len(visible_runs)}: {words}; the last is {visible_runs[0].state.replace('_', ' ')}."

"""The newest runs of an automation as a strip of cells: one run each, as high as it took beside the others, the newest at the right."""

from collections.abc import Sequence
from typing import Final

import msgspec

from mainspring.domain.states import REOPENABLE, TERMINAL
from mainspring.insight.words import many
from mainspring.store.reads.soon import BriefRun
from mainspring.web.marks import tone_of

WIDTH: Final = 6
HEIGHT: Final = 24
_CELL, _LEAST = 5, 6
_LINKED = 5
"""So many of the newest failures are links of their own: a page of links would weigh more than all else on it."""


class Bars(msgspec.Struct, frozen=True):
    """The cells of one tone, as the path of a picture."""

    tone: str
    path: str


class Linked(msgspec.Struct, frozen=True):
    """The cell of a run that stopped, which leads to it."""

    run: str
    tone: str
    path: str
    state: str


class Strip(msgspec.Struct, frozen=True):
    """`said` = what the picture shows, in words."""

    width: int
    bars: list[Bars]
    linked: list[Linked]
    said: str


def strip_of(runs: Sequence[BriefRun], cells: int) -> Strip:
    """Return the strip of these runs, which come newest first; its width is that of so many cells."""
    longest = max((_took(run) for run in runs), default=0)
    paths: dict[str, list[str]] = {}
    linked: list[Linked] = []
    for place, run in enumerate(runs[:cells]):
        path = _cell((cells - 1 - place) * WIDTH, _height(_took(run), longest))
        if run.state in REOPENABLE and len(linked) < _LINKED:
            linked.append(Linked(run.id, tone_of(run.state), path, run.state))
        else:
            paths.setdefault(tone_of(run.state), []).append(path)
    bars = [Bars(tone, "".join(parts)) for tone, parts in paths.items()]
    return Strip(cells * WIDTH, bars, linked, _said(runs[:cells]))


def _took(run: BriefRun) -> int:
    if run.started_at is None or run.finished_at is None:
        return 0
    return max(run.finished_at - run.started_at, 0)


def _height(took: int, longest: int) -> int:
    return _LEAST + round((HEIGHT - _LEAST) * took / longest) if longest else _LEAST


def _cell(x: int, height: int) -> str:
    return f"M{x} {HEIGHT - height}h{_CELL}v{height}h-{_CELL}z"


def _said(runs: Sequence[BriefRun]) -> str:
    if not runs:
        return "no run yet"
    stopped = sum(run.state in REOPENABLE for run in runs)
    unfinished = sum(run.state not in TERMINAL and run.state not in REOPENABLE for run in runs)
    parts = [many(len(runs), "run"), f"{stopped} stopped by an error" if stopped else "none failed"]
    if unfinished:
        parts.append(f"{unfinished} not ended")
    return f"{', '.join(parts)}; the newest {runs[0].state.replace('_', ' ')}"

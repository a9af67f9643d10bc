"""Which steps of a run stood on which: as stages, of which each began when the one before it had been handed over. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mainspring.domain.runs.journal import Outcome
from mainspring.insight.runs.steps import STOPS, StepLine

MOST: Final = 24
"""Outcomes of a run of which stages are told: more of them are no picture any more."""


class StageStep(msgspec.Struct, frozen=True):
    """One request in a stage; `state` as its line has it."""

    ident: str
    name: str
    kind: str
    state: str


class Stage(msgspec.Struct, frozen=True):
    """What was asked for side by side."""

    steps: list[StageStep]


def list_stages(outcomes: Sequence[Outcome], lines: Sequence[StepLine], asked_after: Mapping[int, int]) -> list[Stage]:
    """Return the stages of a run; `asked_after` = rank -> the rank that had been handed over when that outcome was asked for.

    What has no outcome yet was asked for after all that has one.
    """
    levels: dict[str, int] = {}
    ranks: list[tuple[int, int]] = []
    for one in sorted(outcomes, key=lambda one: one.rank):
        if one.superseded is None and one.kind not in STOPS:
            before = [level for rank, level in ranks if rank <= asked_after.get(one.rank, 0)]
            levels[one.ident] = max(before, default=-1) + 1
            ranks.append((one.rank, levels[one.ident]))
    latest = max(levels.values(), default=-1) + 1
    found: dict[int, list[StageStep]] = {}
    for line in lines:
        if line.superseded is None and line.kind not in STOPS:
            step = StageStep(line.ident, line.label, line.kind, line.state)
            found.setdefault(levels.get(line.ident, latest), []).append(step)
    return [Stage(found[level]) for level in sorted(found)]

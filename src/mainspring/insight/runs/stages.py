"""Stages of a run: its steps by dependency; each stage started when the one before it had been delivered. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mainspring.domain.runs.journal import Outcome
from mainspring.insight.runs.steps import STOPS, StepLine

MOST: Final = 24
"""Most outcomes of a run with stages: more make no readable picture."""


class StageStep(msgspec.Struct, frozen=True):
    """One request in a stage; `state` as in its line."""

    ident: str
    name: str
    kind: str
    state: str


class Stage(msgspec.Struct, frozen=True):
    """Parallel requests."""

    steps: list[StageStep]


def list_stages(
    outcomes: Sequence[Outcome], lines: Sequence[StepLine], requested_after: Mapping[int, int]
) -> list[Stage]:
    """Return the stages of a run; `requested_after` = rank -> the rank that had been delivered when that outcome was requested.

    A request without outcome comes after all that have one.
    """
    levels: dict[str, int] = {}
    ranks: list[tuple[int, int]] = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.rank):
        if outcome.superseded is None and outcome.kind not in STOPS:
            before = [level for rank, level in ranks if rank <= requested_after.get(outcome.rank, 0)]
            levels[outcome.ident] = max(before, default=-1) + 1
            ranks.append((outcome.rank, levels[outcome.ident]))
    latest = max(levels.values(), default=-1) + 1
    found: dict[int, list[StageStep]] = {}
    for line in lines:
        if line.superseded is None and line.kind not in STOPS:
            step = StageStep(line.ident, line.label, line.kind, line.state)
            found.setdefault(levels.get(line.ident, latest), []).append(step)
    return [Stage(found[level]) for level in sorted(found)]

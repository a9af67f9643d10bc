"""What leaves the page of a run as CSV and JSON beside its log: each of its tables by name."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mainspring.insight.steps import StepLine, lines_of
from mainspring.store.views import RunRow
from mainspring.web.api import runs
from mainspring.web.api.call import Call
from mainspring.web.dashboard.run_beside import Drifted, diff_of, drift_of
from mainspring.web.dashboard.run_log import RunLooking
from mainspring.web.dashboard.run_step import Attempt, attempts_of, chosen_step


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step, superseded ones too; `took_ms` None = it goes on. `error` = of its last attempt."""

    ident: str
    name: str
    kind: str
    state: str
    generation: int
    superseded: int | None
    attempts: int
    started_at: int | None
    ended_at: int | None
    took_ms: int | None
    error: str | None


def _steps(call: Call[RunLooking, None]) -> list[StepRow]:
    return [_row(line) for line in lines_of(runs.outline(call))]


def _row(line: StepLine) -> StepRow:
    tries = line.tries
    started_at, ended_at = (tries[0].started_at, tries[-1].ended_at) if tries else (None, None)
    failure = line.failure or (tries[-1].failure if tries else None)
    return StepRow(
        ident=line.ident,
        name=line.name,
        kind=line.kind,
        state=line.state,
        generation=line.generation,
        superseded=line.superseded,
        attempts=tries[-1].number if tries else 0,
        started_at=started_at,
        ended_at=ended_at,
        took_ms=None if ended_at is None else line.took(ended_at),
        error=None if failure is None else failure.headline,
    )


def _attempts(call: Call[RunLooking, None]) -> list[Attempt]:
    """Return those of the step that is looked at."""
    story = runs.outline(call)
    ident = chosen_step(call.query, story.run, lines_of(story))
    return [] if ident is None else attempts_of(call, story.run, ident)


def _children(call: Call[RunLooking, None]) -> list[RunRow]:
    return runs.outline(call).children


def _drift(call: Call[RunLooking, None]) -> list[Drifted]:
    return drift_of(runs.outline(call).run)


def _differences(call: Call[RunLooking, None]) -> Iterable[Any]:
    found = diff_of(call, runs.outline(call).run)
    return [] if found is None else found.differences


TABLES: Final[dict[str, Callable[[Call[RunLooking, None]], Iterable[msgspec.Struct]]]] = {
    "steps": _steps,
    "attempts": _attempts,
    "children": _children,
    "drift": _drift,
    "differences": _differences,
}

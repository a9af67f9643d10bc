"""Exports of the page of a run, as CSV and JSON besides its log: each of its tables by name."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from mainspring.insight.runs.steps import StepLine, list_step_lines
from mainspring.store.views import RunRow
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import runs
from mainspring.web.dashboard.runs.run_comparison import DriftedInput, compare_run, list_drifted_inputs
from mainspring.web.dashboard.runs.run_log import RunPageQuery
from mainspring.web.dashboard.runs.run_step import AttemptView, find_chosen_step, list_attempts


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step, superseded ones too; `took_ms` None = it has not ended. `error` = of its last attempt."""

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


def _list_steps(call: ApiCall[RunPageQuery, None]) -> list[StepRow]:
    return [_build_row(line) for line in list_step_lines(runs.read_outline(call))]


def _build_row(line: StepLine) -> StepRow:
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
        took_ms=None if ended_at is None else line.duration_ms(ended_at),
        error=None if failure is None else failure.headline,
    )


def _list_attempts(call: ApiCall[RunPageQuery, None]) -> list[AttemptView]:
    """Return the attempts of the selected step."""
    outline = runs.read_outline(call)
    ident = find_chosen_step(call.query, outline.run, list_step_lines(outline))
    return [] if ident is None else list_attempts(call, outline.run, ident)


def _list_children(call: ApiCall[RunPageQuery, None]) -> list[RunRow]:
    return runs.read_outline(call).children


def _list_drift(call: ApiCall[RunPageQuery, None]) -> list[DriftedInput]:
    return list_drifted_inputs(runs.read_outline(call).run)


def _list_differences(call: ApiCall[RunPageQuery, None]) -> Iterable[Any]:
    comparison = compare_run(call, runs.read_outline(call).run)
    return [] if comparison is None else comparison.differences


TABLES: Final[dict[str, Callable[[ApiCall[RunPageQuery, None]], Iterable[msgspec.Struct]]]] = {
    "steps": _list_steps,
    "attempts": _list_attempts,
    "children": _list_children,
    "drift": _list_drift,
    "differences": _list_differences,
}

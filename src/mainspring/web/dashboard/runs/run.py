"""`/r/{run}`: one run: its failure, its reasons, what happens next, its operations; its steps, their log and values; related runs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.domain.states import REOPENABLE_STATES, TERMINAL_STATES, OutcomeState
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.effects.effect_views import RunEffect
from mainspring.insight.runs.step_groups import GROUPED, CallCount, StepGroup, count_groups
from mainspring.insight.runs.steps import StepLine, list_step_lines
from mainspring.insight.triggers.delivery_view import hide_secret_headers
from mainspring.store.read.runs.run_views import ended_calls
from mainspring.store.read.status.status import schedules
from mainspring.store.views import RunRow, RunView, UpdateView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import effects
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.dashboard.charts.step_bars import draw_bars
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call
from mainspring.web.dashboard.runs import run_log
from mainspring.web.dashboard.runs.run_answers import AnswerRow, list_answers
from mainspring.web.dashboard.runs.run_comparison import (
    DIFFERENCES,
    DriftedInput,
    compare_run,
    has_comparable_run,
    list_drifted_inputs,
)
from mainspring.web.dashboard.runs.run_files import FileRow, read_file_table
from mainspring.web.dashboard.runs.run_log import WHOLE_RUN, RunPageQuery
from mainspring.web.dashboard.runs.run_operations import BUTTONS
from mainspring.web.dashboard.runs.run_step import AttemptView, find_chosen_step, list_attempts, read_step
from mainspring.web.dashboard.runs.run_streams import StreamRow, list_stream_rows
from mainspring.web.dashboard.runs.run_summary import build_summary
from mainspring.web.dashboard.runs.run_values import build_values
from mainspring.web.dashboard.runs.runs import read_progress

_MAX_STEPS: Final = 60
"""Steps on the page, if there are not more."""
_MAX_EFFECTS: Final = 100
"""Calls of effects on the page, the newest."""
_COUNTED: Final = 10_000
_MARKED, _NEWEST = 30, 15
"""Otherwise: this many that did not succeed, however old, and this many of the newest."""


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


def _list_started_runs(call: ApiCall[RunPageQuery, None]) -> list[RunRow]:
    return runs.read_outline(call).started


def _list_updates(call: ApiCall[RunPageQuery, None]) -> list[UpdateView]:
    return runs.read_outline(call).updates


def _list_answers(call: ApiCall[RunPageQuery, None]) -> list[AnswerRow]:
    return list_answers(call, runs.read_outline(call).run)


def _list_streams(call: ApiCall[RunPageQuery, None]) -> list[StreamRow]:
    return list_stream_rows(call, runs.read_outline(call).run)


def _list_files(call: ApiCall[RunPageQuery, None]) -> list[FileRow]:
    table = read_file_table(call, runs.read_outline(call).run)
    return [] if table is None else table.rows


def _list_effects(call: ApiCall[RunPageQuery, None]) -> list[RunEffect]:
    return effects.list_effects_of_run(call).items


def _list_drift(call: ApiCall[RunPageQuery, None]) -> list[DriftedInput]:
    return list_drifted_inputs(runs.read_outline(call).run)


def _list_differences(call: ApiCall[RunPageQuery, None]) -> Iterable[Any]:
    comparison = compare_run(call, runs.read_outline(call).run)
    return [] if comparison is None else comparison.differences


TABLES: Final[dict[str, Callable[[ApiCall[RunPageQuery, None]], Iterable[msgspec.Struct]]]] = {
    "steps": _list_steps,
    "attempts": _list_attempts,
    "children": _list_children,
    "started": _list_started_runs,
    "updates": _list_updates,
    "files": _list_files,
    "streams": _list_streams,
    "effects": _list_effects,
    "answers": _list_answers,
    "drift": _list_drift,
    "differences": _list_differences,
}


def show(call: ApiCall[RunPageQuery, Form | None]) -> PageView:
    """Show a run, from its outline: the number of steps is limited."""
    outline = runs.read_outline(api_call(call))
    explanation = runs.explain_outline(api_call(call), outline)
    run, now = outline.run, call.site.clock.now()
    lines = list_step_lines(outline)
    current_lines = [line for line in lines if line.superseded is None]
    chosen_step = find_chosen_step(call.query, run, current_lines)
    zone = _find_zone(call, run)
    log_lines, older = run_log.read_last_lines(call, chosen_step, zone)
    typed: Form = call.body or {}
    summary = build_summary(outline, explanation, lines)
    diff = compare_run(call, run)
    groups = {} if call.query.every else count_step_groups(call, run, current_lines)
    values: dict[str, Any] = {
        "run": run,
        "summary": summary,
        "typed": typed,
        "nouns": _list_nouns(run),
        "zone": zone,
        "steps": list_step_rows(current_lines, now, groups),
        "is_grouped": bool(groups),
        "stages": runs.list_stages_of_outline(api_call(call), outline) if len(current_lines) > 1 else [],
        "left_out": 0
        if groups
        else max(run.rank - len(_select_lines(current_lines)), 0)
        if len(current_lines) > _MAX_STEPS
        else 0,
        "superseded": sum(1 for line in lines if line.superseded is not None),
        "step": None if chosen_step is None else read_step(call, run, chosen_step),
        "chosen": chosen_step or WHOLE_RUN,
        "query": call.query,
        "log": log_lines,
        "older": older,
        "step_names": list({line.ident: line.name for line in _select_lines(current_lines)}.items()),
        "levels": list(Level),
        "values": build_values(
            input=run.input,
            result=run.result,
            published_state=run.published,
            tags=run.tags,
            headers=hide_secret_headers(run.headers),
        ),
        "progress": read_progress(run.progress),
        "history": outline,
        "deliveries": explanation.deliveries,
        "holds_up": explanation.holds_up,
        "effects": effects.list_effects_of_run(api_call(call)).items[-_MAX_EFFECTS:],
        "answers": list_answers(api_call(call), run),
        "links_effects": call.visitor.is_for_all,
        "files": read_file_table(api_call(call), run),
        "streams": list_stream_rows(call, run),
        "parent": _read_parent(call, run),
        "diff": diff,
        "most_differences": DIFFERENCES,
        "is_comparable": diff is None and has_comparable_run(call, run),
        "drift": list_drifted_inputs(run),
        "hints": _list_hints(run),
    }
    return PageView(summary.title, values)


def rows(call: ApiCall[RunPageQuery, None]) -> Iterator[LogLine]:
    """Export the lines of its log."""
    outline = runs.read_outline(call)
    return run_log.list_all_lines(call, find_chosen_step(call.query, outline.run, list_step_lines(outline)))


def _list_nouns(run: RunView) -> str:
    """Return the nouns whose changes refresh the page: after its end a run can only be continued."""
    if run.state in TERMINAL_STATES:
        return "runs incidents" if run.state in REOPENABLE_STATES else ""
    return "runs logs questions incidents"


def _select_lines(lines: list[StepLine]) -> list[StepLine]:
    """Return the displayed lines: all, or those that did not succeed and the newest, in their order."""
    if len(lines) <= _MAX_STEPS:
        return lines
    marked = [line for line in lines if line.state not in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_MARKED:]
    rest = [line for line in lines if line.state in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_NEWEST:]
    names = {(line.ident, line.generation) for line in (*marked, *rest)}
    return [line for line in lines if (line.ident, line.generation) in names]


def count_step_groups(call: ApiCall[Any, Any], run: RunView, lines: list[StepLine]) -> dict[tuple[str, str], StepGroup]:
    """Return the steps with many calls; of more than 10,000 calls the newest are counted."""
    if len(lines) <= GROUPED:
        return {}
    return count_groups((CallCount(*row) for row in ended_calls(call.site.reader, run.id, _COUNTED)), lines)


def list_step_rows(
    lines: list[StepLine], now: int, groups: Mapping[tuple[str, str], StepGroup]
) -> list[dict[str, Any]]:
    """Return the displayed steps, with their bars and durations.

    A group has one row, in the place of its first known call, and a row for each of its calls that did not succeed.
    """
    first = {(line.name, line.kind): line for line in reversed(lines)}
    ungrouped = [line for line in lines if (line.name, line.kind) not in groups or line.state != OutcomeState.SUCCEEDED]
    displayed = _select_lines(ungrouped)
    names = Counter(line.name for line in displayed)
    step_rows = {
        id(line): {
            "group": None,
            "line": line,
            "bars": step_bars,
            "took": line.duration_ms(now),
            "is_one_of_many": names[line.name] > 1,
        }
        for line, step_bars in zip(displayed, draw_bars(displayed, now), strict=True)
    }
    rows: list[dict[str, Any]] = [{"group": group} for key, group in groups.items() if key not in first]
    for line in lines:
        key = (line.name, line.kind)
        if key in groups and line is first[key]:
            rows.append({"group": groups[key]})
        if id(line) in step_rows:
            rows.append(step_rows[id(line)])
    return rows


def _find_zone(call: ApiCall[Any, Any], run: RunView) -> str:
    """Return the time zone of the schedule that started it, else that of the project."""
    for view in schedules(call.site.reader, run.automation) if run.schedule else []:
        if view.name == run.schedule:
            return Schedule.from_data(msgspec.json.decode(view.spec)).tz
    return call.site.settings.project.timezone


def _read_parent(call: ApiCall[Any, Any], run: RunView) -> RunView | None:
    """Return its parent run, if the visitor may see it."""
    try:
        return None if run.parent is None else call.run(run.parent)
    except NotFoundError:
        return None


def _list_hints(run: RunView) -> dict[str, list[str]]:
    """Return findings of the engine: steps without a key, failures that nothing awaited, saved steps that today's code did not request."""
    detail = decode_value(run.detail)
    findings = detail if isinstance(detail, dict) else {}
    return {name: [str(hint) for hint in findings.get(name) or []][:8] for name in ("hints", "unasked", "unawaited")}


PAGES = (
    PageRoute(
        path="/r/{run}",
        template="runs/run.html",
        show=show,
        rows=rows,
        tables=TABLES,
        query=RunPageQuery,
        buttons=BUTTONS,
        at="/runs",
    ),
)

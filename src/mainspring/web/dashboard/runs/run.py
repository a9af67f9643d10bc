"""`/r/{run}`: one run. What failed and why, what happens next, what can be done; its steps, their log and values; what is around it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.domain.states import REOPENABLE_STATES, TERMINAL_STATES, OutcomeState
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.runs.step_groups import GROUPED, CallCount, StepGroup, count_groups
from mainspring.insight.runs.steps import StepLine, list_step_lines
from mainspring.store.read.runs.run_views import ended_calls
from mainspring.store.read.status.status import schedules
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import runs
from mainspring.web.dashboard.charts.step_bars import draw_bars
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call
from mainspring.web.dashboard.runs import run_log
from mainspring.web.dashboard.runs.run_comparison import (
    DIFFERENCES,
    compare_run,
    has_comparable_run,
    list_drifted_inputs,
)
from mainspring.web.dashboard.runs.run_log import WHOLE_RUN, RunPageQuery
from mainspring.web.dashboard.runs.run_operations import BUTTONS
from mainspring.web.dashboard.runs.run_step import find_chosen_step, read_step
from mainspring.web.dashboard.runs.run_summary import build_summary
from mainspring.web.dashboard.runs.run_tables import TABLES
from mainspring.web.dashboard.runs.run_values import build_values
from mainspring.web.dashboard.runs.runs import read_progress

_SHOWN: Final = 60
"""Steps on the page, if there are no more."""
_COUNTED: Final = 10_000
_MARKED, _NEWEST = 30, 15
"""Else so many that did not end well, however old, and so many of the newest."""


def show(call: ApiCall[RunPageQuery, Form | None]) -> PageView:
    """Show a run, from its outline: so many steps, whatever it has."""
    story = runs.read_outline(api_call(call))
    told = runs.explain_story(api_call(call), story)
    run, now = story.run, call.site.clock.now()
    lines = list_step_lines(story)
    counted = [line for line in lines if line.superseded is None]
    chosen = find_chosen_step(call.query, run, counted)
    zone = _find_zone(call, run)
    log, older = run_log.read_last_lines(call, chosen, zone)
    typed: Form = call.body or {}
    summary = build_summary(story, told, lines)
    diff = compare_run(call, run)
    groups = {} if call.query.every else count_step_groups(call, run, counted)
    values: dict[str, Any] = {
        "run": run,
        "told": summary,
        "typed": typed,
        "nouns": _list_nouns(run),
        "zone": zone,
        "steps": list_step_rows(counted, now, groups),
        "is_grouped": bool(groups),
        "stages": runs.list_stages_of_story(api_call(call), story) if len(counted) > 1 else [],
        "left_out": 0 if groups else max(run.rank - len(_select_lines(counted)), 0) if len(counted) > _SHOWN else 0,
        "superseded": sum(1 for line in lines if line.superseded is not None),
        "step": None if chosen is None else read_step(call, run, chosen),
        "chosen": chosen or WHOLE_RUN,
        "query": call.query,
        "log": log,
        "older": older,
        "step_names": list({line.ident: line.name for line in _select_lines(counted)}.items()),
        "levels": list(Level),
        "values": build_values(input=run.input, result=run.result, published_state=run.published, tags=run.tags),
        "progress": read_progress(run.progress),
        "story": story,
        "deliveries": told.deliveries,
        "holds_up": told.holds_up,
        "parent": _read_parent(call, run),
        "diff": diff,
        "most_differences": DIFFERENCES,
        "is_comparable": diff is None and has_comparable_run(call, run),
        "drift": list_drifted_inputs(run),
        "hints": _list_hints(run),
    }
    return PageView(summary.title, values)


def rows(call: ApiCall[RunPageQuery, None]) -> Iterator[LogLine]:
    """Give the lines of its log."""
    story = runs.read_outline(call)
    return run_log.list_all_lines(call, find_chosen_step(call.query, story.run, list_step_lines(story)))


def _list_nouns(run: RunView) -> str:
    """Return what makes the page move: of a run that is over nothing comes any more but that it is continued."""
    if run.state in TERMINAL_STATES:
        return "runs incidents" if run.state in REOPENABLE_STATES else ""
    return "runs logs questions incidents"


def _select_lines(lines: list[StepLine]) -> list[StepLine]:
    """Return the lines that are shown: all, or those that did not end well and the newest, in their order."""
    if len(lines) <= _SHOWN:
        return lines
    marked = [line for line in lines if line.state not in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_MARKED:]
    rest = [line for line in lines if line.state in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_NEWEST:]
    names = {(line.ident, line.generation) for line in (*marked, *rest)}
    return [line for line in lines if (line.ident, line.generation) in names]


def count_step_groups(call: ApiCall[Any, Any], run: RunView, lines: list[StepLine]) -> dict[tuple[str, str], StepGroup]:
    """Return the steps that were called many times; of more than 10,000 calls the newest are counted."""
    if len(lines) <= GROUPED:
        return {}
    return count_groups((CallCount(*row) for row in ended_calls(call.site.reader, run.id, _COUNTED)), lines)


def list_step_rows(
    lines: list[StepLine], now: int, groups: Mapping[tuple[str, str], StepGroup]
) -> list[dict[str, Any]]:
    """Return the steps that are drawn, with their bars and how long they took.

    A group has one row, in the place of its first call that is known, and a row for each of its calls that did not succeed.
    """
    first = {(line.name, line.kind): line for line in reversed(lines)}
    shown = [line for line in lines if (line.name, line.kind) not in groups or line.state != OutcomeState.SUCCEEDED]
    picked = _select_lines(shown)
    names = Counter(line.name for line in picked)
    drawn = {
        id(line): {
            "group": None,
            "line": line,
            "bars": found,
            "took": line.took(now),
            "is_one_of_many": names[line.name] > 1,
        }
        for line, found in zip(picked, draw_bars(picked, now), strict=True)
    }
    rows: list[dict[str, Any]] = [{"group": group} for key, group in groups.items() if key not in first]
    for line in lines:
        key = (line.name, line.kind)
        if key in groups and line is first[key]:
            rows.append({"group": groups[key]})
        if id(line) in drawn:
            rows.append(drawn[id(line)])
    return rows


def _find_zone(call: ApiCall[Any, Any], run: RunView) -> str:
    """Return the time zone of the schedule that started it, else that of the project."""
    for one in schedules(call.site.reader, run.automation) if run.schedule else []:
        if one.name == run.schedule:
            return Schedule.from_data(msgspec.json.decode(one.spec)).tz
    return call.site.settings.project.timezone


def _read_parent(call: ApiCall[Any, Any], run: RunView) -> RunView | None:
    """Return the run of which it is a child, for those who may see that."""
    try:
        return None if run.parent is None else call.run(run.parent)
    except NotFoundError:
        return None


def _list_hints(run: RunView) -> dict[str, list[str]]:
    """Return what the engine noticed: steps without a key, failures that nothing awaited, saved steps that today's code did not ask for."""
    detail = decode_value(run.detail)
    found = detail if isinstance(detail, dict) else {}
    return {name: [str(hint) for hint in found.get(name) or []][:8] for name in ("hints", "unasked", "unawaited")}


PAGES = (
    PageRoute(
        path="/r/{run}",
        template="run.html",
        show=show,
        rows=rows,
        tables=TABLES,
        query=RunPageQuery,
        buttons=BUTTONS,
        at="/runs",
    ),
)

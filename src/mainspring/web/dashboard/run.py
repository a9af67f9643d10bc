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
from mainspring.insight.step_groups import GROUPED, CallCount, StepGroup, counted_groups
from mainspring.insight.steps import StepLine, lines_of
from mainspring.store.reads.runs import ended_calls
from mainspring.store.reads.status import schedules
from mainspring.store.views import RunView
from mainspring.web.api import runs
from mainspring.web.api.call import Call
from mainspring.web.dashboard import run_log
from mainspring.web.dashboard.page import Form, PageRoute, View, looked
from mainspring.web.dashboard.run_acts import BUTTONS
from mainspring.web.dashboard.run_beside import DIFFERENCES, diff_of, drift_of, has_good
from mainspring.web.dashboard.run_log import WHOLE, RunLooking
from mainspring.web.dashboard.run_step import chosen_step, step_values
from mainspring.web.dashboard.run_summary import summary_of
from mainspring.web.dashboard.run_tables import TABLES
from mainspring.web.dashboard.run_values import values_of
from mainspring.web.dashboard.runs import progress_of
from mainspring.web.pictures.bars import bars

_SHOWN: Final = 60
"""Steps on the page, if there are no more."""
_COUNTED: Final = 10_000
_MARKED, _NEWEST = 30, 15
"""Else so many that did not end well, however old, and so many of the newest."""


def show(call: Call[RunLooking, Form | None]) -> View:
    """Show a run, from its outline: so many steps, whatever it has."""
    story = runs.outline(looked(call))
    told = runs.explanation_of(looked(call), story)
    run, now = story.run, call.site.clock.now()
    lines = lines_of(story)
    counted = [line for line in lines if line.superseded is None]
    chosen = chosen_step(call.query, run, counted)
    zone = _zone(call, run)
    log, older = run_log.shown(call, chosen, zone)
    typed: Form = call.body or {}
    summary = summary_of(story, told, lines)
    diff = diff_of(call, run)
    groups = {} if call.query.every else groups_of(call, run, counted)
    values: dict[str, Any] = {
        "run": run,
        "told": summary,
        "typed": typed,
        "nouns": _nouns(run),
        "zone": zone,
        "steps": step_rows(counted, now, groups),
        "is_grouped": bool(groups),
        "stages": runs.stages_in(looked(call), story) if len(counted) > 1 else [],
        "left_out": 0 if groups else max(run.rank - len(_picked(counted)), 0) if len(counted) > _SHOWN else 0,
        "superseded": sum(1 for line in lines if line.superseded is not None),
        "step": None if chosen is None else step_values(call, run, chosen),
        "chosen": chosen or WHOLE,
        "query": call.query,
        "log": log,
        "older": older,
        "step_names": list({line.ident: line.name for line in _picked(counted)}.items()),
        "levels": list(Level),
        "values": values_of(input=run.input, result=run.result, published_state=run.published, tags=run.tags),
        "progress": progress_of(run.progress),
        "story": story,
        "deliveries": told.deliveries,
        "holds_up": told.holds_up,
        "parent": _parent(call, run),
        "diff": diff,
        "most_differences": DIFFERENCES,
        "is_comparable": diff is None and has_good(call, run),
        "drift": drift_of(run),
        "hints": _hints(run),
    }
    return View(summary.title, values)


def rows(call: Call[RunLooking, None]) -> Iterator[LogLine]:
    """Give the lines of its log."""
    story = runs.outline(call)
    return run_log.all_of(call, chosen_step(call.query, story.run, lines_of(story)))


def _nouns(run: RunView) -> str:
    """Return what makes the page move: of a run that is over nothing comes any more but that it is continued."""
    if run.state in TERMINAL_STATES:
        return "runs incidents" if run.state in REOPENABLE_STATES else ""
    return "runs logs questions incidents"


def _picked(lines: list[StepLine]) -> list[StepLine]:
    """Return the lines that are shown: all, or those that did not end well and the newest, in their order."""
    if len(lines) <= _SHOWN:
        return lines
    marked = [line for line in lines if line.state not in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_MARKED:]
    rest = [line for line in lines if line.state in (OutcomeState.SUCCEEDED, OutcomeState.CANCELLED)][-_NEWEST:]
    names = {(line.ident, line.generation) for line in (*marked, *rest)}
    return [line for line in lines if (line.ident, line.generation) in names]


def groups_of(call: Call[Any, Any], run: RunView, lines: list[StepLine]) -> dict[tuple[str, str], StepGroup]:
    """Return the steps that were called many times; of more than 10,000 calls the newest are counted."""
    if len(lines) <= GROUPED:
        return {}
    return counted_groups((CallCount(*row) for row in ended_calls(call.site.reader, run.id, _COUNTED)), lines)


def step_rows(lines: list[StepLine], now: int, groups: Mapping[tuple[str, str], StepGroup]) -> list[dict[str, Any]]:
    """Return the steps that are drawn, with their bars and how long they took.

    A group has one row, in the place of its first call that is known, and a row for each of its calls that did not succeed.
    """
    first = {(line.name, line.kind): line for line in reversed(lines)}
    shown = [line for line in lines if (line.name, line.kind) not in groups or line.state != OutcomeState.SUCCEEDED]
    picked = _picked(shown)
    names = Counter(line.name for line in picked)
    drawn = {
        id(line): {
            "group": None,
            "line": line,
            "bars": found,
            "took": line.took(now),
            "is_one_of_many": names[line.name] > 1,
        }
        for line, found in zip(picked, bars(picked, now), strict=True)
    }
    rows: list[dict[str, Any]] = [{"group": group} for key, group in groups.items() if key not in first]
    for line in lines:
        key = (line.name, line.kind)
        if key in groups and line is first[key]:
            rows.append({"group": groups[key]})
        if id(line) in drawn:
            rows.append(drawn[id(line)])
    return rows


def _zone(call: Call[Any, Any], run: RunView) -> str:
    """Return the time zone of the schedule that started it, else that of the project."""
    for one in schedules(call.site.reader, run.automation) if run.schedule else []:
        if one.name == run.schedule:
            return Schedule.from_data(msgspec.json.decode(one.spec)).tz
    return call.site.settings.project.timezone


def _parent(call: Call[Any, Any], run: RunView) -> RunView | None:
    """Return the run of which it is a child, for those who may see that."""
    try:
        return None if run.parent is None else call.run(run.parent)
    except NotFoundError:
        return None


def _hints(run: RunView) -> dict[str, list[str]]:
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
        query=RunLooking,
        buttons=BUTTONS,
        at="/runs",
    ),
)

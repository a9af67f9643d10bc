"""`/a/NAME`: how one automation stands, how its runs went, why they failed, what is due, what watches it, what it is."""

from collections.abc import Iterator
from shlex import quote
from typing import Any, Final

from mainspring.app.alerting.runbooks import RunbookFinder
from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.derived_states import AutomationState
from mainspring.insight.announced import definition_of
from mainspring.insight.automation_lines import p_of, starts_of
from mainspring.insight.option_rows import option_rows, option_text
from mainspring.insight.run_paths import way_word
from mainspring.insight.seen_incidents import loudest
from mainspring.insight.standings import AutomationHealth
from mainspring.store.reads.automations import RunMark
from mainspring.store.views import AutomationView, RunRow
from mainspring.web.api import automations, incidents, runs, standings
from mainspring.web.api.automations import Pause
from mainspring.web.api.bodies import Because
from mainspring.web.api.call import Call
from mainspring.web.api.incidents import ErrorsQuery, IncidentsQuery
from mainspring.web.api.runs import RunsQuery
from mainspring.web.api.standings import RUNS, DueQuery, FiguresQuery
from mainspring.web.dashboard.automation_rows import days_of, judged_rows, source_rows
from mainspring.web.dashboard.automation_tables import DAYS, TABLES
from mainspring.web.dashboard.automations import CALM
from mainspring.web.dashboard.moments import coming_moment, zone_for
from mainspring.web.dashboard.page import Button, Form, Looking, PageRoute, View, looked, press, reason_of
from mainspring.web.pictures.expected import expected_of, window_of
from mainspring.web.pictures.heat import heat_of
from mainspring.web.pictures.layers import BOX, layers_of
from mainspring.web.pictures.strip import strip_of
from mainspring.web.pictures.ways import BOX as WAYS_BOX
from mainspring.web.pictures.ways import ways_of

_TOLD = frozenset(AutomationState) - CALM
"""States that want a word above all else."""
_DUE: Final = 40
_NEXT: Final = 10
_ERRORS: Final = 20


def show(call: Call[Looking, Form | None]) -> View:
    """Show one automation."""
    shown = automations.shown(looked(call))
    view, now = shown.automation, call.site.clock.now()
    definition = definition_of(view)
    zone, standing = zone_for(call, definition), standings.standing(looked(call))
    unresolved = incidents.listed(call.asking(IncidentsQuery(automation=view.name, folded=True, limit=_ERRORS))).items
    values = {
        "view": view,
        "definition": definition,
        "zone": zone,
        "owner": _option(definition, "owner"),
        "team": _option(definition, "team"),
        "tier": _option(definition, "tier") or "notify",
        "tags": _option(definition, "tags") or {},
        "standing": standing,
        "judged": judged_rows(standing.judged),
        "trust": standings.trust(looked(call)),
        "incidents": unresolved,
        "worst": loudest(unresolved).get(view.name),
        "calm": CALM,
        "starts": starts_of(definition, call.visitor.may_see),
        "sources": source_rows(definition, call.visitor.may_see),
        "can_start": definition is not None and definition.kind is not DefinitionKind.EXEC and view.retired_at is None,
        "can_backfill": definition is not None
        and definition.kind is not DefinitionKind.EXEC
        and bool(definition.schedules),
        "is_paused": standing.state is AutomationState.PAUSED,
        "is_retired": standing.state is AutomationState.RETIRED,
        "is_told": standing.state in _TOLD,
        "pause_line": _pause_line(view.name, call.body),
        "quoted": quote(view.name),
        "typed": call.body or {},
    }
    values |= _of_runs(call, view, now)
    values |= _of_figures(call, zone)
    values |= _of_due(call, zone, standing)
    values |= _of_surroundings(call, view, definition)
    return View(view.name, values)


def rows(call: Call[Looking, None]) -> Iterator[RunRow]:
    """Give its newest runs, as the strip draws them."""
    return iter(_newest(call, automations.named(call).name))


def _of_runs(call: Call[Looking, Form | None], view: AutomationView, now: int) -> dict[str, Any]:
    newest = [
        RunMark(one.id, one.state, one.reason, None, one.created_at, one.started_at, one.finished_at)
        for one in _newest(call, view.name)
    ]
    wanted = ErrorsQuery(automation=view.name, limit=_ERRORS)
    paths = standings.paths(looked(call))
    return {
        "paths": paths,
        "ways": ways_of(paths),
        "ways_box": WAYS_BOX,
        "way_word": way_word,
        "runs": newest,
        "strip": strip_of(newest, RUNS, now),
        "p50": p_of(newest, 0.5),
        "p95": p_of(newest, 0.95),
        "errors": incidents.errors(call.asking(wanted)).items,
    }


def _newest(call: Call[Any, Any], name: str) -> list[RunRow]:
    return runs.listed(call.asking(RunsQuery(name=name, limit=RUNS))).items


def _of_figures(call: Call[Looking, Form | None], zone: str) -> dict[str, Any]:
    figures = standings.figures(call.asking(FiguresQuery(days=DAYS)))
    return {
        "days": days_of(figures.hours, zone),
        "heat": heat_of(figures.hours, zone),
        "changes": figures.marks[::-1],
        "has_figures": bool(figures.hours),
    }


def _of_due(call: Call[Looking, Form | None], zone: str, standing: AutomationHealth) -> dict[str, Any]:
    due = standings.due(call.asking(DueQuery(limit=_DUE)))
    is_in_time = standing.late_at is not None and standing.late_at > call.site.clock.now()
    drawn = expected_of(due.past, zone, standing.due_at if is_in_time else None)
    now, good_at, late_at = call.site.clock.now(), standing.last_good_at, standing.late_at
    window = None if good_at is None or late_at is None else window_of(good_at, late_at, now)
    return {"next_due": due.next[:_NEXT], "past": due.past[::-1], "expected": drawn, "window": window}


def _of_surroundings(
    call: Call[Looking, Form | None], view: AutomationView, definition: Definition | None
) -> dict[str, Any]:
    graph = standings.graph(looked(call))
    edges = [(edge.upstream, edge.downstream, edge.words) for edge in graph.edges]
    return {
        "layers": layers_of([node.name for node in graph.nodes], edges),
        "box": BOX,
        "edges": graph.edges,
        "states": graph.states,
        "options": [(row, row.effect or option_text(row.value)) for row in option_rows(definition)]
        if definition is not None
        else [],
        "runbook": RunbookFinder(call.site.settings).of(view.name, definition),
    }


def _option(definition: Definition | None, name: str) -> Any:
    return None if definition is None else definition.option(name)


def _pause_line(name: str, form: Form | None) -> str:
    span = (form or {}).get("for", "").strip()
    return f"mainspring auto pause {quote(name)} --for {quote(span or '2h')} --reason '...'"


def pause(call: Call[Any, Form]) -> None:
    """Start nothing of it, for so long or until somebody resumes it."""
    span = call.body.get("for", "").strip()
    until = coming_moment(call, span, "for") if span else None
    press(call, automations.pause, Pause(reason=reason_of(call), until=until))


def resume(call: Call[Any, Form]) -> None:
    """Let it go on."""
    press(call, automations.resume, Because(reason=reason_of(call)))


def retire(call: Call[Any, Form]) -> None:
    """Declare it gone for good."""
    press(call, automations.retire, Because(reason=reason_of(call)))


PAGES = (
    PageRoute(
        path="/a/{automation}",
        template="automation.html",
        show=show,
        rows=rows,
        tables=TABLES,
        at="/automations",
        nouns=("automations", "runs", "incidents"),
        buttons={
            "pause": Button(Role.OPERATOR, pause),
            "resume": Button(Role.OPERATOR, resume),
            "retire": Button(Role.OPERATOR, retire),
        },
    ),
)

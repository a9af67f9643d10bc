"""`mainspring auto list|show`: definitions as the store knows them.

With -m, or where no worker has announced any, the code is loaded. `list` adds it where a file is newer than what a worker loaded.
"""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from mainspring.cli import params
from mainspring.cli.automations import health
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.domain.definitions.definition import Definition
    from mainspring.domain.incidents.incident import Incident
    from mainspring.engine.definitions.load_problem import LoadProblem
    from mainspring.insight.automations.automation_health import AutomationHealth
    from mainspring.store.read.automations.automation_stats import RunMark
    from mainspring.store.views import AutomationView

_MAX_INCIDENTS = 1_000
_RUNS_SEARCHED = 5
"""Runs of each automation that are searched for the last one that ended."""

modules_option = click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="look into this code, not into the store"
)


class KnownAutomation(msgspec.Struct, frozen=True):
    """An automation: its definition (None if none was ever good), what the store knows of it, what is wrong with it."""

    name: str
    definition: "Definition | None"
    view: "AutomationView | None"
    problem: str | None


def find_automations(
    invocation: Invocation,
    modules: tuple[str, ...] = (),
    *,
    quiet: bool = False,
    needs_store: bool = True,
    loads_code: bool = False,
) -> list[KnownAutomation]:
    """Return all automations by name: those of the store, else those of the code; `quiet` = its problems are reported elsewhere.

    `loads_code` = what only the code has is added. Without `modules` there has to be a store, unless `needs_store` is off.
    Raises NoStoreError.
    """
    from mainspring.insight.automations.announced_definitions import read_definition
    from mainspring.store.read.status.status import automations

    if needs_store and not modules:
        invocation.require_store()
    views: list[AutomationView] = [] if modules else invocation.rows_if_made(lambda reader: automations(reader, None))
    known = {view.name: KnownAutomation(view.name, read_definition(view), view, view.problem) for view in views}
    if not views or loads_code:
        registry = invocation.registry(modules)
        if not quiet:
            _print_problems(invocation, registry.problems)
        known = {one.name: KnownAutomation(one.name, one.definition, None, None) for one in registry} | known
    return [known[name] for name in sorted(known)]


def _print_problems(invocation: Invocation, problems: "Iterable[LoadProblem]") -> None:
    for problem in problems:
        invocation.output.warn(f"{problem.where}: {problem.what}\n{problem.how}")


def _find_problems(
    invocation: Invocation, known: list[KnownAutomation], modules: tuple[str, ...], *, loads_code: bool
) -> "list[LoadProblem]":
    """Return what keeps others out of the list: of the code if that was loaded, and what the last worker reported."""
    from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, decode_problems
    from mainspring.store.read.status.status import meta

    is_announced = any(one.view is not None for one in known)
    told = (
        decode_problems(invocation.read_if_made(lambda reader: meta(reader, PROBLEMS_KEY), None))
        if is_announced
        else []
    )
    if is_announced and not loads_code:
        return told
    here = invocation.registry(modules).problems
    return [*here, *(problem for problem in told if problem.what not in {one.what for one in here})]


def find_automation(invocation: Invocation, name: str, modules: tuple[str, ...] = ()) -> KnownAutomation:
    """Return the automation of this name. Raises UnknownNameError, which shows the nearest."""
    from mainspring.domain.errors import UnknownNameError

    found = {known.name: known for known in find_automations(invocation, modules)}
    if name not in found and not modules:  # a new file may have it
        found = {known.name: known for known in find_automations(invocation, loads_code=True)}
    if name not in found:
        raise UnknownNameError("automation", name, found)
    return found[name]


def schedule_state(known: KnownAutomation, now: int) -> str:
    """Return "paused", "retired", "problem" or "ready": whether its schedules start anything. How it stands is told by `health`."""
    view = known.view
    if view is not None and view.retired_at is not None:
        return "retired"
    if known.problem:
        return "problem"
    if view is not None and is_paused(view, now):
        return "paused"
    return "ready"


def format_schedules(definition: "Definition | None") -> str:
    """Return when it starts, in words."""
    if definition is None or not definition.schedules:
        return "-"
    return "; ".join(schedule.describe() for schedule in definition.schedules)


def schedules_active_from(known: KnownAutomation, now: int) -> int | None:
    """Return from when on its schedules make runs again, also of one that no worker announced; None = not before somebody acts."""
    from mainspring.insight.automations.due_times import schedules_run_from as seen

    if known.view is not None:
        return seen(known.view, now)
    return None if known.problem else now


def next_due_at(definition: "Definition | None", start: int | None) -> int | None:
    """Return the next due time of all its schedules after `start`; None = they make none."""
    slots = (
        [schedule.next_after(start) for schedule in definition.schedules] if definition and start is not None else []
    )
    return min((slot for slot in slots if slot is not None), default=None)


@command("list", "list automations")
@click.option(
    "--state",
    "states",
    type=click.Choice(health.HEALTH_STATES),
    multiple=True,
    help="only in this state",
)
@click.option(
    "--name",
    metavar="TEXT",
    multiple=True,
    callback=params.read_single_value,
    help="only those whose name holds this text",
)
@params.since_option
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="at most so many")
@modules_option
@pass_invocation
def list_command(
    invocation: Invocation,
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    limit: int,
    modules: tuple[str, ...],
) -> None:
    """STATE tells whether it comes in time, LAST RUN how its last run ended, WRONG whether it is well. Retired ones are shown with
    --state retired only; --state problem lists by its place what did not load, too. What does not load is told on stderr, behind the list;
    the exit code is 0 all the same: doctor ends with 9. --since looks at the last announcement by a worker.
    """
    from mainspring.cli.automations.new_files import find_new_files

    now, loads_code = invocation.clock.now(), not modules and bool(find_new_files(invocation))
    known = find_automations(invocation, modules, quiet=True, loads_code=loads_code)
    problems = _find_problems(invocation, known, modules, loads_code=loads_code)
    wanted = states or tuple(state for state in health.HEALTH_STATES if state != AutomationState.RETIRED)
    since_at = params.read_instant(invocation, since)
    asked = [one for one in known if (name is None or name in one.name) and _is_announced_since(one, since_at)]
    standings = health.read_health(invocation, asked, now)
    wrong, last = _read_incident_kinds(invocation), _read_last_runs(invocation, [one.name for one in asked])
    rows = [
        make_row(one, standings.get(one.name), now) | {"wrong": wrong.get(one.name), "last_run": last.get(one.name)}
        for one in asked
    ]
    rows = [row for row in rows if row["state"] in wanted]
    if AutomationState.PROBLEM in states:
        rows += [_make_problem_row(one) for one in problems if name is None or name in one.where]
    rows = rows[:limit]
    columns = [
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row["name"]), cut=True),
        TableColumn("KIND", lambda row: row["kind"], spare=True),
        TableColumn(
            "STATE", lambda row: health.format_state(row["state"]), lambda row: health.HEALTH_COLOURS.get(row["state"])
        ),
        TableColumn(
            "LAST RUN", _format_last_run, lambda row: row["last_run"] and formatting.COLOURS[row["last_run"].state]
        ),
        TableColumn(
            "WRONG", lambda row: (row["wrong"] or "-").replace("_", " "), lambda row: "red" if row["wrong"] else None
        ),
        TableColumn("STARTS", lambda row: formatting.escape_line(format_starts(row) or "-"), cut=True, most=40),
        TableColumn("NEXT", lambda row: formatting.format_distance(row["next_at"], now)),
    ]
    add = "No automations. Add one: mainspring add script NAME -- COMMAND"
    invocation.output.rows(rows, columns, empty="None could be loaded." if problems and not known else add)
    invocation.output.flush()  # what did not load is the last that is read
    _print_problems(invocation, problems)


def _read_incident_kinds(invocation: Invocation) -> dict[str, str]:
    """Return of each automation with which something is wrong what: the kind of the loudest incident that is not resolved."""
    from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
    from mainspring.store.read.incidents import grouped_incidents, open_incidents

    nothing: list[Incident] = []
    found = invocation.read_if_made(
        lambda reader: [*open_incidents(reader, _MAX_INCIDENTS), *grouped_incidents(reader, _MAX_INCIDENTS)], nothing
    )
    return {name: one.subject.kind.value for name, one in most_severe_by_automation(found).items()}


def _read_last_runs(invocation: Invocation, names: list[str]) -> "dict[str, RunMark]":
    """Return the last run of each automation that has one: the newest that has ended or needs a person, else the newest."""
    from mainspring.store.read.automations.automation_stats import newest_runs

    nothing: dict[str, list[RunMark]] = {}
    newest = invocation.read_if_made(lambda reader: newest_runs(reader, names, _RUNS_SEARCHED), nothing)
    return {
        name: next((run for run in runs if run.finished_at is not None or run.state in REOPENABLE_STATES), runs[0])
        for name, runs in newest.items()
        if runs
    }


def _format_last_run(row: dict[str, Any]) -> str:
    return formatting.format_state(row["last_run"].state) if row["last_run"] else "-"


def make_row(known: KnownAutomation, standing: "AutomationHealth | None", now: int) -> dict[str, Any]:
    """Return the row of a list; `standing` = how it stands, None where no worker announced it."""
    definition = known.definition
    return {
        "name": known.name,
        "kind": str(definition.kind) if definition else (known.view.kind if known.view else "?"),
        "state": health.health_state(known, standing),
        "since_at": standing.since_at if standing else None,
        "why": standing.why if standing else "",
        "version": definition.version if definition else 0,
        "schedule": format_schedules(definition) if definition and definition.schedules else None,
        "triggers": describe_triggers(definition),
        "next_at": next_due_at(definition, schedules_active_from(known, now)),
        "owner": definition.option("owner") if definition else None,
        "problem": known.problem,
    }


def describe_triggers(definition: "Definition | None") -> dict[str, str]:
    """Return what its triggers listen to, in words, by the ends of their names."""
    from mainspring.insight.automations.source_description import describe_source

    return {} if definition is None else {end: describe_source(one.source) for end, one in definition.triggers.items()}


def format_starts(row: dict[str, Any]) -> str:
    """Return what starts it: schedules and triggers."""
    return "; ".join([*([row["schedule"]] if row["schedule"] else []), *row["triggers"].values()])


def _is_announced_since(known: KnownAutomation, since_at: int | None) -> bool:
    """Whether a worker announced it from then on; what no worker announced is new."""
    return since_at is None or known.view is None or known.view.announced_at >= since_at


def _make_problem_row(problem: "LoadProblem") -> dict[str, Any]:
    """Return the row of what did not load: it has no name but its place."""
    nothing: dict[str, Any] = {
        "kind": "?",
        "since_at": None,
        "why": "",
        "version": 0,
        "schedule": None,
        "triggers": {},
        "next_at": None,
        "owner": None,
        "wrong": None,
        "last_run": None,
    }
    return {"name": problem.where, "state": AutomationState.PROBLEM.value, **nothing, "problem": problem.what}


@command("show", "show an automation with all its options")
@click.argument("name", type=params.AUTOMATION)
@modules_option
@pass_invocation
def show(invocation: Invocation, name: str, modules: tuple[str, ...]) -> None:
    """Every option is shown, one that was left out with its default in parentheses."""
    from mainspring.cli.automations.show import print_automation

    print_automation(invocation, find_automation(invocation, name, modules))

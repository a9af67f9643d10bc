"""The automation list, `mainspring auto list|show`: definitions in the store.

With -m, or if no worker has announced any, the code is loaded. `list` adds the code if a file is newer than a worker's.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.domain.definitions.definition import Definition
    from mainspring.domain.incidents.incident import Incident
    from mainspring.engine.definitions.load_problem import LoadProblem
    from mainspring.insight.automations.automation_health import AutomationHealth
    from mainspring.store.read.automations.automation_stats import RunMark
    from mainspring.store.schema.triggers.schedules import CreatedSchedule
    from mainspring.store.views import AutomationView

_MAX_INCIDENTS = 1_000
_RUNS_SEARCHED = 5
"""Recent runs of each automation among which the last ended one is searched."""

modules_option = click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="read this code, not the store"
)

UNANNOUNCED_STATE: Final = "unannounced"
"""It is in the code, and no worker has announced it: the store has nothing to evaluate."""
HEALTH_STATES: Final = (*(state.value for state in AutomationState), UNANNOUNCED_STATE)
HEALTH_COLOURS: Final = {
    AutomationState.ON_TIME.value: "green",
    AutomationState.LATE.value: "yellow",
    AutomationState.SILENT.value: "red",
    AutomationState.PAUSED.value: "yellow",
    AutomationState.PROBLEM.value: "red",
}


class KnownAutomation(msgspec.Struct, frozen=True):
    """An automation: its definition (None if none was ever valid), its row in the store, its problem."""

    name: str
    definition: "Definition | None"
    view: "AutomationView | None"
    problem: str | None
    created: "Sequence[CreatedSchedule]" = ()
    """Its schedules that are not in code."""


def find_automations(
    invocation: Invocation,
    modules: tuple[str, ...] = (),
    *,
    quiet: bool = False,
    needs_store: bool = True,
    loads_code: bool = False,
) -> list[KnownAutomation]:
    """Return all automations by name: those of the store, else those of the code; `quiet` = problems are reported elsewhere.

    `loads_code` = add those that only the code has. Without `modules` there must be a store, unless `needs_store` is off.
    Raises NoStoreError.
    """
    from mainspring.insight.automations.announced_definitions import read_definition
    from mainspring.insight.automations.schedule_list import group_created_schedules
    from mainspring.store.read.status.status import automations

    if needs_store and not modules:
        invocation.require_store()
    views: list[AutomationView] = [] if modules else invocation.rows_if_made(lambda reader: automations(reader, None))
    created: dict[str, list[CreatedSchedule]] = invocation.read_if_made(group_created_schedules, {}) if views else {}
    known = {
        view.name: KnownAutomation(view.name, read_definition(view), view, view.problem, created.get(view.name, ()))
        for view in views
    }
    if not views or loads_code:
        from mainspring.engine.definitions.announcement import complete_definition

        registry = invocation.registry(modules)
        if not quiet:
            _print_problems(invocation, registry.problems)
        known = {
            name: KnownAutomation(name, complete_definition(registry.get(name)), None, None) for name in registry.names
        } | known
    return [known[name] for name in sorted(known)]


def _print_problems(invocation: Invocation, problems: "Iterable[LoadProblem]") -> None:
    for problem in problems:
        invocation.output.warn(f"{problem.where}: {problem.what}\n{problem.how}")


def _find_problems(
    invocation: Invocation, known: list[KnownAutomation], modules: tuple[str, ...], *, loads_code: bool
) -> "list[LoadProblem]":
    """Return the problems that keep automations out of the list: those of loaded code, and those that the last worker reported."""
    from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, decode_problems
    from mainspring.store.read.status.status import meta

    is_announced = any(automation.view is not None for automation in known)
    reported = (
        decode_problems(invocation.read_if_made(lambda reader: meta(reader, PROBLEMS_KEY), None))
        if is_announced
        else []
    )
    if is_announced and not loads_code:
        return reported
    local = invocation.registry(modules).problems
    return [*local, *(problem for problem in reported if problem.what not in {own.what for own in local})]


def find_automation(invocation: Invocation, name: str, modules: tuple[str, ...] = ()) -> KnownAutomation:
    """Return the automation of this name. Raises UnknownNameError, which names the nearest."""
    from mainspring.domain.errors import UnknownNameError

    found = {known.name: known for known in find_automations(invocation, modules)}
    if name not in found and not modules:  # a new file may have it
        found = {known.name: known for known in find_automations(invocation, loads_code=True)}
    if name not in found:
        raise UnknownNameError("automation", name, found)
    return found[name]


def schedule_state(known: KnownAutomation, now: int) -> str:
    """Return "paused", "retired", "problem" or "ready": whether its schedules start runs. `health` has its state."""
    view = known.view
    if view is not None and view.retired_at is not None:
        return "retired"
    if known.problem:
        return "problem"
    if view is not None and is_paused(view, now):
        return "paused"
    return "ready"


def format_schedules(known: KnownAutomation) -> str:
    """Return the schedules in words: those in code, then those that are not."""
    from mainspring.insight.automations.schedule_list import describe_created

    declared = () if known.definition is None else known.definition.schedules
    return "; ".join([*(schedule.describe() for schedule in declared), *describe_created(known.created)])


def schedules_active_from(known: KnownAutomation, now: int) -> int | None:
    """Return when its schedules start runs again, also without an announcement; None = not before a person acts."""
    from mainspring.insight.automations.due_times import schedules_run_from

    if known.view is not None:
        return schedules_run_from(known.view, now)
    return None if known.problem else now


def next_due_at(known: KnownAutomation, start: int | None) -> int | None:
    """Return the next due time of all its schedules after `start`; None = there is none."""
    from mainspring.insight.automations.due_times import list_schedules

    named = [] if start is None else list_schedules(known.definition, known.created)
    slots = [entry.schedule.next_after(start or 0) for entry in named]
    return min((slot for slot in slots if slot is not None), default=None)


@command("list", "list automations")
@click.option(
    "--state",
    "states",
    type=click.Choice(HEALTH_STATES),
    multiple=True,
    help="list only those in this state",
)
@click.option(
    "--name",
    metavar="TEXT",
    multiple=True,
    callback=params.read_single_value,
    help="list only those whose name contains this text",
)
@click.option("--action", metavar="ACTION", help="list only those whose code uses this action, such as http.request")
@params.since_option
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="list at most N")
@modules_option
@pass_invocation
def list_command(
    invocation: Invocation,
    states: tuple[str, ...],
    name: str | None,
    action: str | None,
    since: str | None,
    limit: int,
    modules: tuple[str, ...],
) -> None:
    """STATE is whether it succeeds in time, LAST RUN how its last run ended, INCIDENT the kind of its most severe open incident.

    Retired automations are listed with --state retired. --state problem also lists files that do not load. Files that do not load are
    printed on stderr, after the list; the exit code is still 0 (that of doctor is 9). --since compares the time of the last announcement by
    a worker.
    """
    from mainspring.cli.automations.new_files import find_new_files

    now, loads_code = invocation.clock.now(), not modules and bool(find_new_files(invocation))
    known = find_automations(invocation, modules, quiet=True, loads_code=loads_code)
    problems = _find_problems(invocation, known, modules, loads_code=loads_code)
    requested_states = states or tuple(state for state in HEALTH_STATES if state != AutomationState.RETIRED)
    since_at = params.read_instant(invocation, since)
    selected = [
        automation
        for automation in known
        if (name is None or name in automation.name)
        and (action is None or (automation.definition is not None and action in automation.definition.actions))
        and _is_announced_since(automation, since_at)
    ]
    health_by_name = read_health(invocation, selected, now)
    incident_kinds, last_runs = (
        _read_incident_kinds(invocation),
        _read_last_runs(invocation, [automation.name for automation in selected]),
    )
    rows = [
        make_row(automation, health_by_name.get(automation.name), now)
        | {"failing": incident_kinds.get(automation.name), "last_run": last_runs.get(automation.name)}
        for automation in selected
    ]
    rows = [row for row in rows if row["state"] in requested_states]
    if AutomationState.PROBLEM in states:
        rows += [_make_problem_row(problem) for problem in problems if name is None or name in problem.where]
    rows = rows[:limit]
    columns = [
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row["name"]), cut=True),
        TableColumn("KIND", lambda row: row["kind"], spare=True),
        TableColumn("STATE", lambda row: format_state(row["state"]), lambda row: HEALTH_COLOURS.get(row["state"])),
        TableColumn(
            "LAST RUN", _format_last_run, lambda row: row["last_run"] and formatting.COLOURS[row["last_run"].state]
        ),
        TableColumn("INCIDENT", _format_incident_kind, lambda row: "red" if row["failing"] else None),
        TableColumn("STARTS", lambda row: formatting.escape_line(format_starts(row) or "-"), cut=True, most=40),
        TableColumn("NEXT", lambda row: formatting.format_distance(row["next_at"], now)),
    ]
    add_hint = "No automations. Add one: mainspring add script NAME -- COMMAND"
    invocation.output.rows(rows, columns, empty="No file could be loaded." if problems and not known else add_hint)
    invocation.output.flush()  # load problems come last
    _print_problems(invocation, problems)


def _read_incident_kinds(invocation: Invocation) -> dict[str, str]:
    """Return, for each automation with an open incident, the kind of its most severe unresolved one."""
    from mainspring.insight.incidents.visible_incidents import most_severe_by_automation
    from mainspring.store.read.incidents import grouped_incidents, open_incidents

    no_incidents: list[Incident] = []
    incidents = invocation.read_if_made(
        lambda reader: [*open_incidents(reader, _MAX_INCIDENTS), *grouped_incidents(reader, _MAX_INCIDENTS)],
        no_incidents,
    )
    return {name: incident.subject.kind.value for name, incident in most_severe_by_automation(incidents).items()}


def _read_last_runs(invocation: Invocation, names: list[str]) -> "dict[str, RunMark]":
    """Return the last run of each automation: the newest that has ended or needs a person, else the newest."""
    from mainspring.store.read.automations.automation_stats import newest_runs

    no_runs: dict[str, list[RunMark]] = {}
    newest = invocation.read_if_made(lambda reader: newest_runs(reader, names, _RUNS_SEARCHED), no_runs)
    return {
        name: next((run for run in runs if run.finished_at is not None or run.state in REOPENABLE_STATES), runs[0])
        for name, runs in newest.items()
        if runs
    }


def _format_last_run(row: dict[str, Any]) -> str:
    return formatting.format_state(row["last_run"].state) if row["last_run"] else "-"


def _format_incident_kind(row: dict[str, Any]) -> str:
    return (row["failing"] or "-").replace("_", " ")


def make_row(known: KnownAutomation, automation_health: "AutomationHealth | None", now: int) -> dict[str, Any]:
    """Return the row of a list; `automation_health` = its health, None if no worker announced it."""
    definition = known.definition
    return {
        "name": known.name,
        "kind": str(definition.kind) if definition else (known.view.kind if known.view else "?"),
        "state": health_state(known, automation_health),
        "since_at": automation_health.since_at if automation_health else None,
        "why": automation_health.why if automation_health else "",
        "version": definition.version if definition else 0,
        "schedule": format_schedules(known) or None,
        "triggers": describe_triggers(definition),
        "next_at": next_due_at(known, schedules_active_from(known, now)),
        "owner": definition.option("owner") if definition else None,
        "problem": known.problem,
    }


def describe_triggers(definition: "Definition | None") -> dict[str, str]:
    """Return descriptions of the sources of its triggers, by the ends of the triggers' names."""
    from mainspring.insight.automations.source_description import describe_source

    return (
        {}
        if definition is None
        else {end: describe_source(trigger.source) for end, trigger in definition.triggers.items()}
    )


def format_starts(row: dict[str, Any]) -> str:
    """Return the text of its schedules and triggers."""
    return "; ".join([*([row["schedule"]] if row["schedule"] else []), *row["triggers"].values()])


def _is_announced_since(known: KnownAutomation, since_at: int | None) -> bool:
    """Return whether a worker announced it since then; an unannounced one is new."""
    return since_at is None or known.view is None or known.view.announced_at >= since_at


def _make_problem_row(problem: "LoadProblem") -> dict[str, Any]:
    """Return the row of code that did not load: its place stands for the name."""
    empty_row: dict[str, Any] = {
        "kind": "?",
        "since_at": None,
        "why": "",
        "version": 0,
        "schedule": None,
        "triggers": {},
        "next_at": None,
        "owner": None,
        "failing": None,
        "last_run": None,
    }
    return {"name": problem.where, "state": AutomationState.PROBLEM.value, **empty_row, "problem": problem.what}


@command("show", "show an automation with all its options")
@click.argument("name", type=params.AUTOMATION)
@modules_option
@pass_invocation
def show(invocation: Invocation, name: str, modules: tuple[str, ...]) -> None:
    """Shows every option. A default is in parentheses."""
    from mainspring.cli.automations.show import print_automation

    print_automation(invocation, find_automation(invocation, name, modules))


def read_health(
    invocation: "Invocation", known: "Iterable[KnownAutomation]", now: int, *, is_single: bool = False
) -> "dict[str, AutomationHealth]":
    """Return the health of each automation at the instant `now`; `is_single` = for one automation, evaluated as closely as on its page."""
    from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
    from mainspring.insight.automations.automation_health import AutomationHealth, read_automation_health

    monitors, announced = (
        invocation.settings.monitors,
        [automation.name for automation in known if automation.view is not None],
    )
    no_health: dict[str, AutomationHealth] = {}
    if not announced:
        return no_health
    tunings, own = read_tunings(monitors), read_tuning_overrides(monitors)
    return invocation.read_if_made(
        lambda reader: read_automation_health(reader, announced, now, tunings, own, is_single=is_single), no_health
    )


def health_state(known: "KnownAutomation", automation_health: "AutomationHealth | None") -> str:
    """Return the state of an automation, one of HEALTH_STATES."""
    if automation_health is not None:
        return automation_health.state.value
    return AutomationState.PROBLEM.value if known.problem else UNANNOUNCED_STATE


def format_state(state: str) -> str:
    """Return a state in words: "on time"."""
    return state.replace("_", " ")
